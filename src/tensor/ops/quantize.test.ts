import { describe, expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onAllBackends, random } from '../../../test/sequence-cases.js';
import type { Simd } from '../kernels.js';
import type { IsaName } from '../native/isa.js';
import * as reference from '../reference/matmul.js';
import { sigmoidGate, swiglu } from './elementwise.js';
import {
  X_OFFSET,
  X_PAIRS_8,
  X_PAIRS_32A,
  X_SCALE,
  X_SUM,
  X_SUM_32A,
  X_SUM_32B,
  X_SUM_128,
  X8_BLOCK,
  X16_BLOCK,
} from './layout-constants.js';
import { gatedNorm, rmsNorm } from './norm.js';
import { quantize, quantizedBytes, type Result } from './quantize.js';

function run(x: Float32Array, bits: 8 | 16, simd: Simd, isa?: IsaName): DataView {
  const bench = new KernelBench(simd, 8 << 20, isa);
  const bytes = quantizedBytes(1, x.length, bits);
  const out = bench.alloc(bytes);
  quantize(bench.program, { x: bench.put(x), out, tokens: 1, cols: x.length, bits });
  bench.run();
  return new DataView(bench.memory.buffer, out, bytes);
}

onAllBackends('quantize', (simd, isa) => {
  it.each([8, 16] as const)('writes integers, scales and sums of each block, %i bits', (bits) => {
    // Zeros, halves that must round to even, magnitudes of all sizes.
    const x = new Float32Array(300 * 32).map((_, i) => {
      const block = i >> 5;
      if (block === 0) return 0;
      if (block === 1) return i % 32 === 0 ? 127 : (i % 32) - 16.5;
      if (block === 2) return 1e-38 * (i % 32);
      return Math.sin(i * 1.7) * 10 ** ((block % 60) - 30);
    });
    const { values, scales } = reference.quantize(x);
    const view = run(x, bits, simd, isa);
    for (let block = 0; block < 300; block++) {
      const at = block * (bits === 8 ? X8_BLOCK : X16_BLOCK);
      const q = Array.from({ length: 32 }, (_, i) =>
        bits === 8 ? view.getInt8(at + i) : view.getInt16(at + 2 * i, true),
      );
      expect(q).toEqual([...values.subarray(32 * block, 32 * block + 32)]);
      const tail = at + (bits === 8 ? 32 : 64);
      const sumOf = (keep: (i: number) => boolean) => q.reduce((sum, v, i) => sum + (keep(i) ? v : 0), 0);
      const sum = sumOf(() => true);
      expect(view.getFloat32(tail + X_SCALE, true)).toBe(scales[block]);
      expect(view.getFloat32(tail + X_OFFSET, true)).toBe(Math.fround(-scales[block] * sum));
      if (bits === 16) expect(view.getInt32(tail + X_SUM, true)).toBe(sum);
      else {
        expect(view.getInt32(tail + X_SUM_128, true)).toBe(0 - 128 * sum);
        expect(view.getInt32(tail + X_SUM_32A, true)).toBe(0 - 32 * sumOf((i) => i < 16));
        expect(view.getInt32(tail + X_SUM_32B, true)).toBe(0 - 32 * sumOf((i) => i >= 16));
      }
      for (let pair = 0; pair < 2; pair++) {
        const inPair = (i: number) => (i & 2) === 2 * pair;
        expect(view.getInt16(tail + X_PAIRS_8 + 2 * pair, true)).toBe(0 - 8 * sumOf(inPair));
        expect(view.getInt16(tail + X_PAIRS_32A + 2 * pair, true)).toBe(0 - 32 * sumOf((i) => i < 16 && inPair(i)));
        expect(view.getInt16(tail + X_PAIRS_32A + 4 + 2 * pair, true)).toBe(
          0 - 32 * sumOf((i) => i >= 16 && inPair(i)),
        );
      }
    }
  });

  // Machine code reads 8-bit activations only.
  describe.each(isa ? [8 as const] : ([8, 16] as const))('in the pass of another operation, %i bits', (bits) => {
    /** Floats and blocks of one operation, of one that leaves both, and blocks made from its floats. */
    function check(
      rows: number,
      cols: number,
      record: (bench: KernelBench, at: (seed: number) => number, to: Result) => void,
    ) {
      const bench = new KernelBench(simd, undefined, isa);
      const inputs = [1, 2, 3].map((seed) => bench.put(random(2 * rows * cols, seed, 9)));
      const bytes = quantizedBytes(rows, cols, bits);
      const [alone, both, after] = [bench.alloc(bytes), bench.alloc(bytes), bench.alloc(bytes)];
      const [floats, y] = [bench.alloc(4 * rows * cols), bench.alloc(4 * rows * cols)];
      const at = (seed: number) => inputs[seed];
      record(bench, at, { y: floats });
      record(bench, at, { quantized: alone, bits });
      record(bench, at, { y, quantized: both, bits });
      quantize(bench.program, { x: floats, out: after, tokens: rows, cols, bits });
      bench.run();
      // Arrays this long take expect() seconds to compare.
      const same = (a: number, b: number, n: number) =>
        Buffer.from(bench.memory.buffer, a, n).equals(Buffer.from(bench.memory.buffer, b, n));
      expect(same(alone, after, bytes)).toBe(true);
      expect(same(both, after, bytes)).toBe(true);
      expect(same(y, floats, 4 * rows * cols)).toBe(true);
      expect(bench.floats(floats, rows * cols).some((v) => v !== 0)).toBe(true);
    }

    it.each([
      [1, 32],
      [1, 1024],
      [37, 992],
      [3, 12_320],
    ])('leaves the blocks that would be made from its floats: %i rows of %i', (rows, cols) => {
      check(rows, cols, ({ program }, at, to) => {
        rmsNorm(program, { x: at(0), weight: at(1), rows, cols, xStride: 2 * cols, eps: 1e-6, weightOffset: 1, ...to });
      });
      check(rows, cols, ({ program }, at, to) => {
        swiglu(program, { gate: at(0), up: at(1), tokens: rows, n: cols, gateStride: 2 * cols, ...to });
      });
      const heads = { rows, groups: 4, cols: cols / 4 };
      check(rows, cols, ({ program }, at, to) => {
        gatedNorm(program, { x: at(0), gate: at(1), weight: at(2), ...heads, gateStride: 2 * cols, eps: 1e-6, ...to });
      });
      check(rows, cols, ({ program }, at, to) => {
        sigmoidGate(program, { x: at(0), gate: at(1), ...heads, gateGroupStride: cols / 2, ...to });
      });
      check(rows, cols, ({ program }, at, to) => {
        sigmoidGate(program, { x: at(0), gate: at(1), rows, cols, broadcast: true, ...to });
      });
    });
  });

  it('passes on infinities and NaN as a scale that is not finite', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const x = new Float32Array(64).fill(1);
      x[5] = bad;
      const view = run(x, 8, simd, isa);
      expect(Number.isFinite(view.getFloat32(32 + X_SCALE, true))).toBe(false);
      expect(view.getFloat32(X8_BLOCK + 32 + X_SCALE, true)).toBe(Math.fround(1 / 127));
    }
  });
});
