import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { batchOf, kvPagesBytes, onAllBackends, oneRun, pagesOf, random } from '../../../test/sequence-cases.js';
import { fromF16, toF16, toInt8 } from '../reference/kv.js';
import { attention } from './attention.js';
import { kvPageBytes, storeKV } from './kv.js';
import { KV_PAGE } from './kv-constants.js';

/** Where the page of a position begins, and the position within it. */
function place(pages: readonly number[], position: number, pageElements: number): [number, number] {
  return [pages[Math.floor(position / KV_PAGE)] * pageElements, position % KV_PAGE];
}

onAllBackends('KV cache', (simd, isa) => {
  /** What the cache gives back for `values` of one head: attention to one position returns its value. */
  function roundTrip(values: Float32Array, headDim: number): Float32Array {
    const bench = new KernelBench(simd, undefined, isa);
    const src = bench.put(values);
    const out = bench.alloc(values.byteLength);
    const pages = bench.alloc(kvPageBytes('f16', 1, headDim));
    const regions = { type: 'f16', headDim, pages, batch: oneRun(bench, 1, 0) } as const;
    const zeros = bench.put(new Float32Array(headDim));
    for (let at = 0; at < values.byteLength; at += headDim * 4) {
      storeKV(bench.program, { ...regions, k: zeros, v: src + at, heads: 1 });
      attention(bench.program, { ...regions, q: zeros, out: out + at, work: 0, heads: 1, kvHeads: 1, scale: 1 });
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
    const bench = new KernelBench(simd, undefined, isa);
    const headDim = 4;
    const tokens = padded.length / headDim;
    const pages = bench.alloc(kvPagesBytes('f16', 1, headDim, tokens));
    const src = bench.put(padded);
    const batch = oneRun(bench, tokens, 0);
    storeKV(bench.program, { type: 'f16', heads: 1, headDim, k: src, v: src, pages, batch });
    bench.run();
    const stored = new Uint16Array(bench.memory.buffer);
    const page = (t: number) => pages / 2 + Math.floor(t / KV_PAGE) * KV_PAGE * 32;
    const key = (t: number, d: number) => stored[page(t) + ((t % KV_PAGE) & ~15) * 16 + d * 16 + (t & 15)];
    const value = (t: number, d: number) => stored[page(t) + KV_PAGE * 16 + (t % KV_PAGE) * 16 + d];
    for (const at of [key, value]) {
      const wrong = Array.from(values).filter((x, i) => at(Math.floor(i / headDim), i % headDim) !== toF16(x));
      expect(wrong).toEqual([]);
    }
  });

  it('appends to several sequences without touching the neighbours, and pads odd heads with zeros', () => {
    const bench = new KernelBench(simd, undefined, isa);
    const [heads, headDim, slots] = [2, 10, 3];
    const batch = batchOf(
      bench,
      { row: 0, rows: 5, position: 126, pages: pagesOf(256, 2, slots), slot: 2 },
      { row: 5, rows: 32, position: 0, pages: pagesOf(256, 0, slots), slot: 0 },
    );
    const [k, v] = [random(37 * heads * headDim, 1), random(37 * heads * headDim, 2)];
    const floats = kvPagesBytes('f32', heads, headDim, 256, slots) / 4;
    const pages = bench.put(new Float32Array(floats).fill(9));
    storeKV(bench.program, { type: 'f32', heads, headDim, k: bench.put(k), v: bench.put(v), pages, batch });
    bench.run();
    const expected = new Float32Array(floats).fill(9);
    for (const run of batch.runs) {
      for (let i = 0; i < run.rows; i++) {
        const [page, p] = place(run.pages, run.position + i, floats / (2 * slots));
        for (let head = 0; head < heads; head++) {
          for (let d = 0; d < 16; d++) {
            const source = ((run.row + i) * heads + head) * headDim + d;
            const start = page + head * KV_PAGE * 16;
            if (d < headDim) expected[start + (p & ~15) * 16 + d * 16 + (p & 15)] = k[source];
            expected[start + heads * KV_PAGE * 16 + p * 16 + d] = d < headDim ? v[source] : 0;
          }
        }
      }
    }
    expect(bench.floats(pages, floats)).toEqual(expected);
  });

  it('stores f16 panels of whole and of few positions, of rows with others between', () => {
    const bench = new KernelBench(simd, undefined, isa);
    const [heads, headDim, slots, stride] = [3, 48, 3, 3 * 48 + 16];
    const batch = batchOf(
      bench,
      { row: 0, rows: 70, position: 71, pages: pagesOf(256, 2, slots), slot: 2 },
      { row: 70, rows: 33, position: 112, pages: pagesOf(256, 0, slots), slot: 0 },
      { row: 103, rows: 1, position: 16, pages: pagesOf(256, 1, slots), slot: 1 },
    );
    const [k, v] = [1, 2].map((seed) => random(104 * stride, seed, 300).map((x, i) => (i % 50 ? x : x * 1e-6)));
    const bytes = kvPagesBytes('f16', heads, headDim, 256, slots);
    const pages = bench.put(new Uint8Array(bytes).fill(9));
    const shape = { type: 'f16', heads, headDim, kStride: stride, vStride: stride } as const;
    storeKV(bench.program, { ...shape, k: bench.put(k), v: bench.put(v), pages, batch });
    bench.run();
    const expected = new Uint16Array(bytes / 2).fill(9 * 257);
    for (const run of batch.runs) {
      for (let i = 0; i < run.rows * heads * headDim; i++) {
        const [r, head, d] = [Math.floor(i / headDim / heads), Math.floor(i / headDim) % heads, i % headDim];
        const [page, p] = place(run.pages, run.position + r, bytes / 2 / (2 * slots));
        const start = page + head * KV_PAGE * headDim;
        const source = (run.row + r) * stride + head * headDim + d;
        expected[start + (p & ~15) * headDim + d * 16 + (p & 15)] = toF16(k[source]);
        expected[start + heads * KV_PAGE * headDim + (d & ~15) * KV_PAGE + p * 16 + (d & 15)] = toF16(v[source]);
      }
    }
    const stored = new Uint16Array(bench.memory.buffer, pages, expected.length);
    expect(stored.findIndex((value, i) => value !== expected[i])).toBe(-1);
  });

  it('rounds blocks of 32 dimensions to int8: keys as panels of a q8_0 matrix, values by position', () => {
    const bench = new KernelBench(simd, undefined, isa);
    const [heads, headDim] = [2, 50];
    const scales = random(21 * heads * headDim, 7, 3).map((x) => 10 ** x);
    const [k, v] = [1, 2].map((seed) =>
      random(21 * heads * headDim, seed).map((x, i) => (i % 700 < 80 ? 0 : x * scales[i])),
    );
    v.set([3e6, -1e-9, 127, 0.5, -0.5, 1.5], 100);
    const pageBytes = kvPageBytes('int8', heads, headDim);
    const pages = bench.put(new Uint8Array(pageBytes).fill(99));
    const batch = oneRun(bench, 21, 9);
    storeKV(bench.program, { type: 'int8', heads, headDim, k: bench.put(k), v: bench.put(v), pages, batch });
    bench.run();
    const stored = new DataView(bench.memory.buffer, pages, pageBytes);
    const panels = KV_PAGE / 16;
    for (let head = 0; head < heads; head++) {
      for (let position = 0; position < KV_PAGE; position++) {
        for (const block of [0, 1]) {
          const lane = position & 15;
          const panel = head * 2 * panels + (position >> 4) * 2 + block;
          const valueBlock = head * 2 * panels + block * panels + (position >> 4);
          const key = Array.from({ length: 32 }, (_, d) =>
            stored.getInt8(panel * 544 + 32 + (d >> 2) * 64 + lane * 4 + (d & 3)),
          );
          const value = Array.from({ length: 32 }, (_, d) =>
            stored.getInt8(pageBytes / 2 + valueBlock * 544 + 32 + lane * 32 + d),
          );
          const keyScale = stored.getUint16(panel * 544 + lane * 2, true);
          const valueScale = stored.getUint16(pageBytes / 2 + valueBlock * 544 + lane * 2, true);
          const at = ((position - 9) * heads + head) * headDim + block * 32;
          const written = position >= 9 && position < 30;
          const expected = (x: Float32Array) => {
            const { integers, scale } = toInt8(x.subarray(at, at + (block === 0 ? 32 : headDim - 32)));
            return { integers: [...integers, ...new Array(32 - integers.length).fill(0)], scale: toF16(scale) };
          };
          const untouched = { integers: new Array(32).fill(99), scale: 99 * 257 };
          expect({ integers: key, scale: keyScale }).toEqual(written ? expected(k) : untouched);
          expect({ integers: value, scale: valueScale }).toEqual(written ? expected(v) : untouched);
        }
      }
    }
  });

  it('takes at most 0.55 of the memory of f16 in int8', () => {
    for (const headDim of [32, 64, 96, 128, 256]) {
      expect(kvPageBytes('int8', 8, headDim)).toBeLessThanOrEqual(0.55 * kvPageBytes('f16', 8, headDim));
    }
  });
});
