import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onBothBuilds, random } from '../../../test/sequence-cases.js';
import { fromF16, toF16 } from '../reference/kv.js';
import { attention, attentionWorkBytes } from './attention.js';
import { kvBytes, storeKV } from './kv.js';

onBothBuilds('KV cache', (simd) => {
  /** What the cache gives back for `values` of one head: attention to one position returns its value. */
  function roundTrip(values: Float32Array, headDim: number): Float32Array {
    const bench = new KernelBench(simd);
    const tokens = values.length / headDim;
    const bytes = kvBytes('f16', 1, headDim, 1);
    const shape = { type: 'f16', tokens: 1, headDim, position: 0, capacity: 1 } as const;
    const src = bench.put(values);
    const out = bench.alloc(values.byteLength);
    const keys = bench.alloc(bytes);
    const region = bench.alloc(bytes);
    const work = bench.alloc(attentionWorkBytes(1, headDim, 1));
    for (let t = 0; t < tokens; t++) {
      const at = { src: src + t * headDim * 4, dst: region };
      storeKV(bench.program, { ...shape, ...at, part: 'values', heads: 1 });
      const q = { q: keys, qStride: 0, scale: 0 };
      attention(bench.program, {
        ...shape,
        ...q,
        keys,
        values: region,
        out: out + t * headDim * 4,
        work,
        heads: 1,
        kvHeads: 1,
      });
    }
    bench.run();
    return bench.floats(out, values.length);
  }

  it('gives back all finite f16 values exactly', () => {
    const finite = Array.from({ length: 65_536 }, (_, bits) => bits).filter((bits) => (bits & 0x7c00) !== 0x7c00);
    const values = Float32Array.from(finite, fromF16);
    expect(roundTrip(values, 256).every((value, i) => value === values[i])).toBe(true);
  });

  it('rounds to the nearest f16, ties to even, and overflows to infinity', () => {
    const bits = Array.from({ length: 0x7bff }, (_, i) => i);
    const step = (b: number) => (fromF16(b) + fromF16(b + 1)) / 2;
    const ties = bits.map(step);
    const near = bits.flatMap((b) => [Math.fround(step(b) * (1 - 2 ** -23)), Math.fround(step(b) * (1 + 2 ** -23))]);
    const edge = [
      65_504,
      65_519.99,
      65_520,
      1e30,
      2 ** -25,
      2 ** -25 * 1.001,
      2 ** -26,
      0,
      -0,
      -(2 ** -24),
      -65_519.99,
    ];
    const values = Float32Array.from([...ties, ...near, ...edge]);
    const padded = new Float32Array(Math.ceil(values.length / 4) * 4);
    padded.set(values);
    const bench = new KernelBench(simd);
    const headDim = 4;
    const tokens = padded.length / headDim;
    for (const part of ['keys', 'values'] as const) {
      const dst = bench.alloc(kvBytes('f16', 1, headDim, tokens));
      const shape = { type: 'f16', tokens, heads: 1, headDim, position: 0, capacity: tokens } as const;
      storeKV(bench.program, { ...shape, src: bench.put(padded), dst, part });
      bench.run();
      const rows = Math.ceil(tokens / 8) * 8;
      const stored = new Uint16Array(bench.memory.buffer, dst, rows * 8);
      const at = (t: number, d: number) => stored[part === 'values' ? t * 8 + d : (t & ~7) * 8 + d * 8 + (t & 7)];
      const wrong = Array.from(values).filter((value, i) => at(Math.floor(i / headDim), i % headDim) !== toF16(value));
      expect(wrong).toEqual([]);
    }
  });

  it('appends anywhere without touching the neighbours, and pads odd heads with zeros', () => {
    const bench = new KernelBench(simd);
    const [tokens, heads, headDim, capacity] = [5, 2, 10, 24];
    const x = random(tokens * heads * headDim, 1);
    for (const part of ['keys', 'values'] as const) {
      const region = bench.put(new Float32Array(kvBytes('f32', heads, headDim, capacity) / 4).fill(9));
      const shape = { type: 'f32', tokens, heads, headDim, capacity } as const;
      storeKV(bench.program, { ...shape, src: bench.put(x), dst: region, part, position: 6 });
      bench.run();
      const stored = bench.floats(region, 2 * 24 * 16);
      for (let head = 0; head < heads; head++) {
        for (let position = 0; position < capacity; position++) {
          for (let d = 0; d < 16; d++) {
            const inside = position >= 6 && position < 11;
            const padding = part === 'values' ? 0 : 9;
            const expected = d < headDim ? x[((position - 6) * heads + head) * headDim + d] : padding;
            const key = (position >> 3) * 128 + d * 8 + (position & 7);
            const value = (d >> 3) * 24 * 8 + position * 8 + (d & 7);
            const i = head * 24 * 16 + (part === 'keys' ? key : value);
            expect(stored[i]).toBe(inside ? expected : 9);
          }
        }
      }
    }
  });
});
