import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_PIECE, PieceCounts } from './piece-counts.js';

const utf8 = new TextEncoder();
const text = new TextDecoder();

function count(counts: PieceCounts, pieces: Iterable<string>): void {
  for (const piece of pieces) {
    const bytes = utf8.encode(piece);
    counts.add(bytes, 0, bytes.length);
  }
}

function entries(counts: PieceCounts): Map<string, number> {
  const found = new Map<string, number>();
  counts.forEach((bytes, start, end, times) => {
    const piece = text.decode(bytes.subarray(start, end));
    expect(found.has(piece)).toBe(false);
    found.set(piece, times);
  });
  return found;
}

describe('counting pieces', () => {
  it('is exact while they fit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }), { maxLength: 200 }),
        (pieces) => {
          const counts = new PieceCounts();
          count(counts, pieces);
          const expected = new Map<string, number>();
          for (const piece of pieces) {
            expected.set(piece, (expected.get(piece) ?? 0) + 1);
          }
          expect(entries(counts)).toEqual(expected);
          expect([counts.size, counts.rarest]).toEqual([expected.size, 0]);
        },
      ),
    );
  });

  it('gives up the rarest for room, and counts long ones in their parts', () => {
    const counts = new PieceCounts(1 << 12);
    let state = 1;
    const random = (below: number) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % below;
    const characters = '的一是不了人我在有他这为之大来以个中上们';
    for (let i = 0; i < 20_000; i++) {
      count(counts, [' the', `x${i}`]);
      // No clause comes twice, but its parts do.
      count(counts, [`天下${'地玄黄'.repeat(8)}${characters[random(20)]}${i}`]);
      expect(counts.byteLength).toBeLessThanOrEqual(1 << 12);
    }
    const found = entries(counts);
    expect(found.get(' the')).toBe(20_000);
    expect(counts.rarest).toBeGreaterThan(0);
    expect(found.size).toBeLessThan(1500);
    const parts = [...found.keys()].filter((piece) => /^[天下地玄黄]{5}$/.test(piece));
    expect(parts.length).toBeGreaterThan(0);
    for (const part of parts) expect(found.get(part)!).toBeGreaterThan(5_000);
  });

  it('cuts very long pieces between characters', () => {
    const counts = new PieceCounts();
    count(counts, ['世'.repeat(1000)]);
    for (const piece of entries(counts).keys()) {
      expect(piece).toMatch(/^世+$/);
      expect(utf8.encode(piece).length).toBeLessThanOrEqual(MAX_PIECE);
    }
  });
});
