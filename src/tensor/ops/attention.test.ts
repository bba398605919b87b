import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import {
  batchOf,
  kvPagesBytes,
  onAllBackends,
  oneRun,
  pagesOf,
  random,
  relativeError,
} from '../../../test/sequence-cases.js';
import { type AttentionCase, attention as reference } from '../reference/attention.js';
import { fromF16, roundHeads, toF16 } from '../reference/kv.js';
import { attention, attentionWorkBytes } from './attention.js';
import type { Run } from './batch.js';
import { type KvType, storeKV } from './kv.js';

/** Keys or values as the cache holds them. */
function rounded(x: Float32Array, type: KvType, headDim: number): Float32Array {
  if (type === 'int8') return roundHeads(x, headDim, 'cache');
  return type === 'f16' ? x.map((v) => fromF16(toF16(v))) : x;
}

/** What the queries become over the 8-bit cache: scaled, then rounded. */
function roundedQueries(q: Float32Array, c: AttentionCase): Float32Array {
  const width = c.heads * c.headDim;
  const factor = (i: number) => Math.fround(Math.fround(c.scale) * Math.fround(c.qScale?.[Math.floor(i / width)] ?? 1));
  return roundHeads(
    q.map((x, i) => x * factor(i)),
    c.headDim,
    'queries',
  );
}

/** A cache full of NaN, which shows every read of something never written, for several sequences. */
function emptyCache(bench: KernelBench, type: KvType, kvHeads: number, headDim: number, capacity: number, slots = 1) {
  const bytes = kvPagesBytes(type, kvHeads, headDim, capacity, slots);
  return { type, headDim, pages: bench.put(new Uint8Array(bytes).fill(0xff)) };
}

const known = new Map<string, { expected: Float64Array; exact: Float64Array }>();

/** From what the cache holds, and from what went into it; the same for every backend. */
function expectations(type: KvType, c: AttentionCase, q: Float32Array, k: Float32Array, v: Float32Array) {
  const key = JSON.stringify([type, c]);
  let result = known.get(key);
  if (!result) {
    const [cachedK, cachedV] = [rounded(k, type, c.headDim), rounded(v, type, c.headDim)];
    const exact = reference(q, k, v, c);
    if (type === 'f32') result = { expected: exact, exact };
    else if (type === 'f16') result = { expected: reference(q, cachedK, cachedV, c), exact };
    else {
      const scaled = { ...c, scale: 1, qScale: undefined };
      result = { expected: reference(roundedQueries(q, c), cachedK, cachedV, scaled), exact };
    }
    known.set(key, result);
  }
  return result;
}

onAllBackends('attention', (simd, isa) => {
  function check(type: KvType, c: AttentionCase): void {
    const bench = new KernelBench(simd, 64 << 20, isa);
    const { tokens, position, heads, kvHeads, headDim } = c;
    const context = position + tokens;
    const capacity = context + 3;
    const k = random(context * kvHeads * headDim, 1);
    const v = random(context * kvHeads * headDim, 2);
    const q = random(tokens * heads * headDim, 3, 3);
    const cache = emptyCache(bench, type, kvHeads, headDim, capacity);
    const out = bench.alloc(tokens * heads * headDim * 4);
    const pages = pagesOf(context, 0, 1, capacity);
    const first = Math.floor(context / 3);
    for (const [from, n] of [
      [0, first],
      [first, context - first],
    ]) {
      if (n === 0) continue;
      const part = (x: Float32Array) => bench.put(x.subarray(from * kvHeads * headDim, (from + n) * kvHeads * headDim));
      const batch = batchOf(bench, { row: 0, rows: n, position: from, pages, slot: 0 });
      storeKV(bench.program, { ...cache, k: part(k), v: part(v), heads: kvHeads, batch });
    }
    const qScale = c.qScale ? bench.put(Float32Array.from(c.qScale)) : 0;
    const batch = batchOf(bench, { row: 0, rows: tokens, position, pages, slot: 0 });
    const work = bench.alloc(attentionWorkBytes(batch.runs, heads, headDim, capacity));
    attention(bench.program, { ...cache, ...c, batch, q: bench.put(q), out, work, qScale });
    bench.run();
    const { expected, exact } = expectations(type, c, q, k, v);
    const actual = bench.floats(out, expected.length);
    // The softmax turns absolute errors of scores into relative errors of weights.
    expect(relativeError(actual, expected)).toBeLessThan(c.scale > 1 ? 5e-4 : 2e-5);
    if (type === 'int8' && c.scale < 1) expect(relativeError(actual, exact)).toBeLessThan(0.15);
  }

  for (const type of ['f32', 'f16', 'int8'] as const) {
    it.each([1, 2, 3, 4, 5, 8, 20])(`shares one KV head among %i query heads (${type})`, (group) => {
      check(type, { tokens: 19, position: 60, heads: 2 * group, kvHeads: 2, headDim: 32, scale: 0.2 });
      check(type, { tokens: 9, position: 60, heads: 2 * group, kvHeads: 2, headDim: 32, scale: 0.2 });
      check(type, { tokens: 1, position: 77, heads: 2 * group, kvHeads: 2, headDim: 32, scale: 0.2 });
    });

    it.each([2, 10, 16, 20, 64, 80, 128, 256])(`takes heads of %i dimensions (${type})`, (headDim) => {
      check(type, { tokens: 1, position: 0, heads: 2, kvHeads: 1, headDim, scale: 0.3 });
      check(type, { tokens: 1, position: 66, heads: 3, kvHeads: 1, headDim, scale: 0.3 });
      check(type, { tokens: 70, position: 0, heads: 2, kvHeads: 1, headDim, scale: 0.3 });
      check(type, { tokens: 7, position: 5, heads: 4, kvHeads: 2, headDim, scale: 0.3 });
    });

    it.each([0, 1, 3, 62, 63, 64, 127, 510, 511, 512, 513, 1500])(`decodes at position %i (${type})`, (position) => {
      check(type, { tokens: 1, position, heads: 4, kvHeads: 2, headDim: 16, scale: 0.5 });
      check(type, { tokens: 3, position, heads: 4, kvHeads: 2, headDim: 16, scale: 0.5 });
    });

    it(`computes a row the same alone, among others of its run, and beside other sequences (${type})`, () => {
      const bench = new KernelBench(simd, 64 << 20, isa);
      const [heads, kvHeads, headDim, capacity] = [10, 2, 40, 1100];
      const shape = { heads, kvHeads, scale: 0.2 };
      const cache = emptyCache(bench, type, kvHeads, headDim, capacity, 3);
      const pages = (slot: number) => pagesOf(capacity, slot, 3);
      const steps: Run[] = [
        { row: 0, rows: 16, position: 500, slot: 1 },
        { row: 16, rows: 20, position: 0, slot: 2 },
        { row: 36, rows: 9, position: 1020, slot: 0 },
        { row: 45, rows: 1, position: 25, slot: 2 },
        { row: 46, rows: 40, position: 490, slot: 1 },
      ].map((run) => ({ ...run, pages: pages(run.slot) }));
      const rows = 86;
      const context = bench.put(random(1029 * kvHeads * headDim + 16, 1));
      [1029, 530, 26].forEach((n, slot) => {
        const batch = batchOf(bench, { row: 0, rows: n, position: 0, pages: pages(slot), slot });
        storeKV(bench.program, { ...cache, k: context, v: context + 64, heads: kvHeads, batch });
      });
      const q = bench.put(random(rows * heads * headDim, 3, 3));
      const bytes = rows * heads * headDim * 4;
      const together = bench.alloc(bytes);
      const alone = bench.alloc(bytes);
      const work = bench.alloc(attentionWorkBytes(steps, heads, headDim, capacity));
      attention(bench.program, { ...cache, ...shape, batch: batchOf(bench, ...steps), q, out: together, work });
      // WebAssembly multiplies integers where it decodes over int8, and floats where it prefills.
      const isExact = type !== 'int8' || isa !== undefined;
      for (const run of steps) {
        const each = run.rows > 16 && !isExact ? run.rows : 1;
        for (let i = 0; i < run.rows; i += each) {
          const batch = batchOf(bench, { ...run, row: run.row + i, rows: each, position: run.position + i });
          attention(bench.program, { ...cache, ...shape, batch, q, out: alone, work });
        }
      }
      bench.run();
      const result = bench.floats(together, bytes / 4);
      expect(result.every(Number.isFinite)).toBe(true);
      expect(result).toEqual(bench.floats(alone, bytes / 4));
    });
  }

  it('scales each query by its own factor', () => {
    const qScale = random(21, 9).map((x) => 1 + x / 2);
    check('f32', { tokens: 21, position: 50, heads: 4, kvHeads: 4, headDim: 24, scale: 0.2, qScale });
    for (const type of ['f32', 'int8'] as const) {
      check(type, { tokens: 2, position: 600, heads: 4, kvHeads: 4, headDim: 24, scale: 0.2, qScale: [1.7, 0.6] });
    }
  });

  it('reads strided queries and writes strided outputs in place', () => {
    const bench = new KernelBench(simd, 64 << 20, isa);
    const [tokens, heads, headDim, stride] = [5, 2, 8, 40];
    const q = random(tokens * stride, 3);
    const k = random(tokens * heads * headDim, 1);
    const v = random(tokens * heads * headDim, 2);
    const cache = { ...emptyCache(bench, 'f32', heads, headDim, 8), batch: oneRun(bench, tokens, 0), heads };
    storeKV(bench.program, { ...cache, k: bench.put(k), v: bench.put(v) });
    const at = bench.put(q);
    const shape = { ...cache, kvHeads: heads, scale: 1 };
    attention(bench.program, { ...shape, q: at, out: at, work: 0, qStride: stride, outStride: stride });
    bench.run();
    const rows = Array.from({ length: tokens }, (_, t) => Array.from(q.subarray(t * stride, t * stride + 16))).flat();
    const expected = reference(rows, k, v, { tokens, position: 0, heads, kvHeads: heads, headDim, scale: 1 });
    const after = bench.floats(at, q.length);
    const actual = Array.from({ length: tokens }, (_, t) => Array.from(after.subarray(t * stride, t * stride + 16)));
    expect(relativeError(actual.flat(), expected)).toBeLessThan(1e-5);
    expect(after.subarray(16, 40)).toEqual(q.subarray(16, 40));
  });

  it('keeps scores of any size in range', () => {
    for (const type of ['f32', 'f16', 'int8'] as const) {
      check(type, { tokens: 40, position: 90, heads: 2, kvHeads: 1, headDim: 16, scale: 300 });
      check(type, { tokens: 1, position: 900, heads: 2, kvHeads: 1, headDim: 16, scale: 300 });
      check(type, { tokens: 1, position: 900, heads: 2, kvHeads: 1, headDim: 16, scale: 1e-30 });
    }
  });
});
