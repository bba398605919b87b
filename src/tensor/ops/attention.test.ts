import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onBothBuilds, random, relativeError } from '../../../test/sequence-cases.js';
import { type AttentionCase, attention as reference } from '../reference/attention.js';
import { fromF16, toF16 } from '../reference/kv.js';
import { attention, attentionWorkBytes } from './attention.js';
import { type KvType, kvBytes, storeKV } from './kv.js';

const rounded = (x: Float32Array, type: KvType) => (type === 'f16' ? x.map((v) => fromF16(toF16(v))) : x);

onBothBuilds('attention', (simd) => {
  function check(type: KvType, c: AttentionCase): void {
    const bench = new KernelBench(simd, 64 << 20);
    const { tokens, position, heads, kvHeads, headDim } = c;
    const context = position + tokens;
    const capacity = context + 3;
    const k = random(context * kvHeads * headDim, 1);
    const v = random(context * kvHeads * headDim, 2);
    const q = random(tokens * heads * headDim, 3, 3);
    const bytes = kvBytes(type, kvHeads, headDim, capacity);
    // A cache full of NaN shows every read of something never written.
    const keys = bench.put(new Uint8Array(bytes).fill(0xff));
    const values = bench.put(new Uint8Array(bytes).fill(0xff));
    const out = bench.alloc(tokens * heads * headDim * 4);
    const work = bench.alloc(attentionWorkBytes(heads, headDim, capacity));
    const cache = { type, heads: kvHeads, headDim, capacity };
    const first = Math.floor(context / 3);
    for (const [from, n] of [
      [0, first],
      [first, context - first],
    ]) {
      if (n === 0) continue;
      const part = (x: Float32Array) => bench.put(x.subarray(from * kvHeads * headDim, (from + n) * kvHeads * headDim));
      storeKV(bench.program, { ...cache, src: part(k), dst: keys, part: 'keys', tokens: n, position: from });
      storeKV(bench.program, { ...cache, src: part(v), dst: values, part: 'values', tokens: n, position: from });
    }
    const qScale = c.qScale ? bench.put(Float32Array.from(c.qScale)) : 0;
    attention(bench.program, { ...c, q: bench.put(q), keys, values, out, work, type, capacity, qScale });
    bench.run();
    const expected = reference(q, rounded(k, type), rounded(v, type), c);
    expect(relativeError(bench.floats(out, expected.length), expected)).toBeLessThan(2e-5);
  }

  for (const type of ['f32', 'f16'] as const) {
    it.each([1, 2, 3, 4, 5, 8])(`shares one KV head among %i query heads (${type})`, (group) => {
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
    });
  }

  it('scales each query by its own factor', () => {
    const qScale = random(21, 9).map((x) => 1 + x / 2);
    check('f32', { tokens: 21, position: 50, heads: 4, kvHeads: 4, headDim: 24, scale: 0.2, qScale });
    check('f32', { tokens: 1, position: 600, heads: 4, kvHeads: 4, headDim: 24, scale: 0.2, qScale: [1.7] });
  });

  it('reads strided queries and writes strided outputs in place', () => {
    const bench = new KernelBench(simd);
    const [tokens, heads, headDim, stride] = [5, 2, 8, 40];
    const q = random(tokens * stride, 3);
    const k = random(tokens * heads * headDim, 1);
    const v = random(tokens * heads * headDim, 2);
    const cache = { type: 'f32' as const, tokens, heads, headDim, capacity: 8, position: 0 };
    const keys = bench.alloc(kvBytes('f32', heads, headDim, 8));
    const values = bench.alloc(kvBytes('f32', heads, headDim, 8));
    storeKV(bench.program, { ...cache, src: bench.put(k), dst: keys, part: 'keys' });
    storeKV(bench.program, { ...cache, src: bench.put(v), dst: values, part: 'values' });
    const at = bench.put(q);
    const shape = { ...cache, kvHeads: heads, scale: 1 };
    attention(bench.program, { ...shape, q: at, out: at, keys, values, work: 0, qStride: stride, outStride: stride });
    bench.run();
    const rows = Array.from({ length: tokens }, (_, t) => Array.from(q.subarray(t * stride, t * stride + 16))).flat();
    const expected = reference(rows, k, v, { ...shape, position: 0 });
    const after = bench.floats(at, q.length);
    const actual = Array.from({ length: tokens }, (_, t) => Array.from(after.subarray(t * stride, t * stride + 16)));
    expect(relativeError(actual.flat(), expected)).toBeLessThan(1e-5);
    expect(after.subarray(16, 40)).toEqual(q.subarray(16, 40));
  });

  it('keeps scores of any size in range', () => {
    for (const type of ['f32', 'f16'] as const) {
      check(type, { tokens: 40, position: 90, heads: 2, kvHeads: 1, headDim: 16, scale: 300 });
      check(type, { tokens: 1, position: 900, heads: 2, kvHeads: 1, headDim: 16, scale: 300 });
      check(type, { tokens: 1, position: 900, heads: 2, kvHeads: 1, headDim: 16, scale: 1e-30 });
    }
  });
});
