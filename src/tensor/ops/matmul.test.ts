import { describe, expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onAllBackends } from '../../../test/sequence-cases.js';
import { QUANT } from '../../formats/quant/index.js';
import { byteLength, DTYPES } from '../dtype.js';
import type { Simd } from '../kernels.js';
import * as reference from '../reference/matmul.js';
import { activationBits, type HeldType, heldBytes, isFloat } from './layout.js';
import { matmul, matmulExperts } from './matmul.js';
import { quantize, quantizedBytes } from './quantize.js';
import { repack } from './repack.js';

const BUILDS: readonly Simd[] = ['plain', 'relaxed'];
const TYPES: readonly HeldType[] = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_k', 'q6_k'];

/** A small generator with a fixed seed: numbers of −1 to 1. */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  };
}

function randomValues(count: number, seed: number): Float32Array {
  const next = noise(seed);
  return new Float32Array(count).map(() => next() * 2 ** (4 * next()));
}

/** A matrix in a type: the file's bytes and their values. */
function encode(type: HeldType, values: Float32Array): { file: Uint8Array; values: Float32Array } {
  const file = new Uint8Array(byteLength(type, values.length));
  QUANT[type].quantize!(values, file);
  return decoded(type, file);
}

function decoded(type: HeldType, file: Uint8Array): { file: Uint8Array; values: Float32Array } {
  const { block, bytes } = DTYPES[type];
  const values = new Float32Array((file.length / bytes) * block);
  QUANT[type].dequantize(file, values);
  return { file, values };
}

function hold(bench: KernelBench, type: HeldType, file: Uint8Array, rows: number, cols: number): number {
  const src = bench.put(file);
  if (isFloat(type)) return src;
  const dst = bench.alloc(heldBytes(type, rows, cols));
  repack(bench.program, { type, src, dst, rows, cols });
  bench.run();
  return dst;
}

/** The activations as the kernel reads them, and the values they stand for. */
function activations(bench: KernelBench, simd: Simd, type: HeldType, x: Float32Array, cols: number) {
  const pointer = bench.put(x);
  const bits = activationBits(type, simd);
  if (!bits) return { pointer, values: x };
  const tokens = x.length / cols;
  const out = bench.alloc(quantizedBytes(tokens, cols, bits));
  quantize(bench.program, { x: pointer, out, tokens, cols, bits });
  bench.run();
  return { pointer: out, values: reference.dequantize(reference.quantize(x)) };
}

/** Rounding may move a sum by some 1e-6 of the sum of magnitudes. */
function expectClose(
  actual: Float32Array,
  w: Float32Array,
  x: ArrayLike<number>,
  expected: Float64Array,
  cols: number,
) {
  const rows = w.length / cols;
  const magnitudes = reference.matmul(
    w.map(Math.abs),
    Float64Array.from(x, Math.abs),
    undefined,
    expected.length / rows,
    rows,
    cols,
  );
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i] - expected[i]) / (magnitudes[i] + Math.abs(expected[i]) + 1e-30);
    if (!(error <= worst)) worst = error;
  }
  expect(worst).toBeLessThan(1e-6);
}

const SHAPES = {
  float: { cols: [1, 3, 5, 33, 64, 1030] },
  block: { cols: [32, 64, 96, 544] },
  super: { cols: [256, 512, 1280] },
};

function columns(type: HeldType): number[] {
  if (isFloat(type)) return SHAPES.float.cols;
  return DTYPES[type].block === 32 ? SHAPES.block.cols : SHAPES.super.cols;
}

describe.each(BUILDS)('matmul, %s SIMD', (simd) => {
  it.each(TYPES)('%s agrees with the reference for odd shapes', (type) => {
    for (const cols of columns(type)) {
      for (const rows of cols > 500 ? [17] : [1, 15, 16, 17, 100]) {
        const bench = new KernelBench(simd, 8 << 20);
        const { file, values: w } = encode(type, randomValues(rows * cols, rows + cols));
        const weights = hold(bench, type, file, rows, cols);
        const bias = randomValues(rows, 3);
        const biasPointer = bench.put(bias);
        const tokens = 17;
        const x = randomValues(tokens * cols, 5);
        const y = bench.alloc(4 * tokens * rows + 4);
        for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 9, 17]) {
          const { pointer, values } = activations(bench, simd, type, x.subarray(0, n * cols), cols);
          matmul(bench.program, { type, weights, x: pointer, bias: biasPointer, y, tokens: n, rows, cols });
          bench.run();
          expectClose(bench.floats(y, n * rows), w, values, reference.matmul(w, values, bias, n, rows, cols), cols);
        }
      }
    }
  });

  it.each(TYPES)('%s adds to strided results and leaves what lies between', (type) => {
    const [rows, cols, tokens, yStride] = [19, 512, 6, 24];
    const bench = new KernelBench(simd, 8 << 20);
    const { file, values: w } = encode(type, randomValues(rows * cols, 1));
    const weights = hold(bench, type, file, rows, cols);
    const { pointer, values } = activations(bench, simd, type, randomValues(tokens * cols, 2), cols);
    const before = randomValues(tokens * yStride, 3);
    for (const n of [1, tokens]) {
      const y = bench.put(before);
      const bias = bench.put(new Float32Array(rows).fill(0.5));
      matmul(bench.program, { type, weights, x: pointer, y, bias, tokens: n, rows, cols, yStride, accumulate: true });
      bench.run();
      const after = bench.floats(y, tokens * yStride);
      const product = reference.matmul(w, values, undefined, n, rows, cols);
      for (let i = 0; i < after.length; i++) {
        const [t, r] = [Math.floor(i / yStride), i % yStride];
        if (t >= n || r >= rows) expect(after[i]).toBe(before[i]);
        else expect(after[i]).toBeCloseTo(before[i] + 0.5 + product[t * rows + r], 2);
      }
    }
  });

  it.each(TYPES.filter((type) => !isFloat(type)))('%s is exact at the extremes of its integers', (type) => {
    const [rows, cols, tokens] = [20, 512, 9];
    const bytes = byteLength(type, rows * cols);
    // Every bit set, none, and all patterns in between; half scales stay finite and have both signs.
    for (const fill of [0x00, 0xff, 0x80, 0x7f]) {
      const file = new Uint8Array(bytes).fill(fill);
      const next = noise(fill);
      const { bytes: blockBytes } = DTYPES[type];
      for (let at = 0; at < bytes; at += blockBytes) {
        const d = type === 'q6_k' ? at + 208 : at;
        const scale = [0x7bff, 0xfbff, 0x0001, 0x3c00, 0x8000, 0xbc00][Math.floor(3 + 3 * next())];
        file[d] = scale & 255;
        file[d + 1] = scale >> 8;
        if (type === 'q4_k') file[at + 3] = (next() > 0 ? 0x80 : 0) | 0x3c;
        if (type === 'q4_k') file[at + 2] = 0;
      }
      const { values: w } = decoded(type, file);
      const bench = new KernelBench(simd, 8 << 20);
      const weights = hold(bench, type, file, rows, cols);
      const x = new Float32Array(tokens * cols).map(
        (_, i) => [1, -1, i % 2 ? 1 : -1, 0, 3e8, next()][Math.floor(i / cols) % 6],
      );
      const { pointer, values } = activations(bench, simd, type, x, cols);
      for (const n of [1, 3, tokens]) {
        const y = bench.alloc(4 * n * rows);
        matmul(bench.program, { type, weights, x: pointer, y, tokens: n, rows, cols });
        bench.run();
        expectClose(bench.floats(y, n * rows), w, values, reference.matmul(w, values, undefined, n, rows, cols), cols);
      }
    }
  });

  it.each(TYPES)('%s multiplies each token by the matrix of its expert', (type) => {
    const [rows, cols, experts] = [40, 256, 5];
    const offsets = Int32Array.of(0, 2, 2, 3, 3, 9);
    const bench = new KernelBench(simd, 8 << 20);
    const expertStride = heldBytes(type, rows, cols);
    const weights = bench.alloc(experts * expertStride);
    const matrices = Array.from({ length: experts }, (_, e) => encode(type, randomValues(rows * cols, e)));
    matrices.forEach(({ file }, e) => {
      const held = hold(bench, type, file, rows, cols);
      new Uint8Array(bench.memory.buffer).copyWithin(weights + e * expertStride, held, held + expertStride);
    });
    const maxTokens = 12;
    const { pointer, values } = activations(bench, simd, type, randomValues(maxTokens * cols, 9), cols);
    const y = bench.alloc(4 * maxTokens * rows);
    const args = {
      type,
      weights,
      expertStride,
      experts,
      x: pointer,
      y,
      offsets: bench.put(offsets),
      maxTokens,
      rows,
      cols,
    };
    matmulExperts(bench.program, args);
    bench.run();
    for (let e = 0; e < experts; e++) {
      const [from, to] = [offsets[e], offsets[e + 1]];
      const x = values.slice(from * cols, to * cols);
      const expected = reference.matmul(matrices[e].values, x, undefined, to - from, rows, cols);
      expectClose(bench.floats(y + 4 * from * rows, (to - from) * rows), matrices[e].values, x, expected, cols);
    }
    expect(bench.floats(y + 4 * 9 * rows, 3 * rows).every((v) => v === 0)).toBe(true);
  });

  it.each(TYPES)('%s covers every row and token when a product splits into pieces', (type) => {
    for (const [rows, cols, tokens] of [
      [1603, 512, 1],
      [1603, 512, 5],
      [33, 256, 1030],
    ]) {
      const bench = new KernelBench(simd, 32 << 20);
      const { file, values: w } = encode(type, randomValues(rows * cols, 1));
      const weights = hold(bench, type, file, rows, cols);
      const { pointer, values } = activations(bench, simd, type, randomValues(tokens * cols, 2), cols);
      const y = bench.alloc(4 * tokens * rows);
      matmul(bench.program, { type, weights, x: pointer, y, tokens, rows, cols });
      bench.run();
      const expected = reference.matmul(w, values, undefined, tokens, rows, cols);
      expectClose(bench.floats(y, tokens * rows), w, values, expected, cols);
    }
  });

  it.each(TYPES)('%s gives a token the same result, bit for bit, beside up to 15 others', (type) => {
    for (const cols of [columns(type)[0], 2560]) {
      const rows = 43;
      const bench = new KernelBench(simd, 8 << 20);
      const { file } = encode(type, randomValues(rows * cols, 1));
      const weights = hold(bench, type, file, rows, cols);
      const bias = bench.put(randomValues(rows, 2));
      const x = randomValues(16 * cols, 3);
      const before = randomValues(16 * rows, 4);
      const product = (from: number, tokens: number, accumulate: boolean): Float32Array => {
        const { pointer } = activations(bench, simd, type, x.subarray(from * cols, (from + tokens) * cols), cols);
        const y = bench.put(before.subarray(from * rows, (from + tokens) * rows));
        matmul(bench.program, { type, weights, x: pointer, bias, y, tokens, rows, cols, accumulate });
        bench.run();
        return bench.floats(y, tokens * rows);
      };
      for (const accumulate of [false, true]) {
        const alone = new Float32Array(16 * rows);
        for (let t = 0; t < 16; t++) alone.set(product(t, 1, accumulate), t * rows);
        for (let tokens = 2; tokens <= 16; tokens++) {
          expect(product(0, tokens, accumulate)).toEqual(alone.subarray(0, tokens * rows));
        }
      }
    }
  });

  it('reaches the upper half of the address space', () => {
    const [rows, cols] = [20, 256];
    for (const type of TYPES) {
      const bench = new KernelBench(simd, 2 ** 31 + (16 << 20));
      bench.alloc(2 ** 31);
      const { file, values: w } = encode(type, randomValues(rows * cols, 1));
      const weights = hold(bench, type, file, rows, cols);
      const { pointer, values } = activations(bench, simd, type, randomValues(9 * cols, 2), cols);
      for (const tokens of [1, 9]) {
        const y = bench.alloc(4 * tokens * rows);
        matmul(bench.program, { type, weights, x: pointer, y, tokens, rows, cols });
        bench.run();
        const expected = reference.matmul(w, values, undefined, tokens, rows, cols);
        expectClose(bench.floats(y, tokens * rows), w, values, expected, cols);
      }
    }
  });
});

onAllBackends('steps of many sequences', (simd, isa) => {
  it.each(TYPES)('%s gives a token the same result, bit for bit, beside up to 63 others', (type) => {
    const [rows, cols, tokens] = [43, 512, 64];
    const bench = new KernelBench(simd, 8 << 20, isa);
    const weights = hold(bench, type, encode(type, randomValues(rows * cols, 1)).file, rows, cols);
    const x = bench.put(randomValues(tokens * cols, 3));
    const bits = activationBits(type, simd, isa !== undefined);
    const product = (from: number, count: number): Float32Array => {
      let input = x + 4 * from * cols;
      if (bits) {
        const out = bench.alloc(quantizedBytes(count, cols, bits));
        quantize(bench.program, { x: input, out, tokens: count, cols, bits });
        input = out;
      }
      const y = bench.alloc(4 * count * rows);
      matmul(bench.program, { type, weights, x: input, y, tokens: count, rows, cols, asAlone: true });
      bench.run();
      return bench.floats(y, count * rows);
    };
    const together = product(0, tokens);
    for (let t = 0; t < tokens; t++) expect(together.subarray(t * rows, (t + 1) * rows)).toEqual(product(t, 1));
  });
});
