import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { isas, nativeRuns } from '../../../test/native-isas.js';
import { QUANT } from '../../formats/quant/index.js';
import { byteLength, DTYPES } from '../dtype.js';
import type { Simd } from '../kernels.js';
import type { IsaName } from '../native/isa.js';
import * as reference from '../reference/gemm.js';
import { frozenBackward, frozenBackwardWork, frozenForward, type Gemm, gemm, gemmExperts, gemmWork } from './gemm.js';
import { type HeldType, heldBytes, isFloat } from './layout.js';
import { repack } from './repack.js';

interface Backend {
  name: string;
  simd: Simd;
  isa?: IsaName;
}

const BACKENDS: readonly Backend[] = [
  ...(['plain', 'relaxed'] as const).map((simd) => ({ name: simd, simd })),
  ...(nativeRuns ? isas.map((isa) => ({ name: isa, simd: 'relaxed' as const, isa })) : []),
];
const TYPES: readonly HeldType[] = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_k', 'q6_k'];

function noise(count: number, seed: number): Float32Array {
  let state = seed;
  return new Float32Array(count).map(() => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  });
}

/** A dense matrix as rows that lie `gap` values further apart, and the values in between. */
function spread(values: ArrayLike<number>, rows: number, cols: number, gap: number): Float32Array {
  const out = new Float32Array(rows * (cols + gap)).fill(NaN);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[r * (cols + gap) + c] = values[r * cols + c];
  return out;
}

/** Sums of k products may differ by rounding: some 1e-6 of the sum of magnitudes. */
function expectRows(
  actual: Float32Array,
  expected: ArrayLike<number>,
  rows: number,
  cols: number,
  gap: number,
  size: number,
) {
  let worst = 0;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols + gap; c++) {
      const value = actual[r * (cols + gap) + c];
      if (c >= cols) expect(value).toBeNaN();
      else if (!(Math.abs(value - expected[r * cols + c]) <= worst)) worst = Math.abs(value - expected[r * cols + c]);
    }
  }
  expect(worst).toBeLessThan(2e-6 * size);
}

interface Shape {
  m: number;
  n: number;
  k: number;
  transposeA?: boolean;
  transposeB?: boolean;
  accumulate?: boolean;
}

function check(bench: KernelBench, shape: Shape, gap: number, divided = false) {
  const { m, n, k, transposeA, transposeB, accumulate } = shape;
  const a = noise(m * k, m + k);
  const b = noise(k * n, k + 2 * n);
  const c = noise(m * n, 7);
  const [aRows, aCols] = transposeA ? [k, m] : [m, k];
  const [bRows, bCols] = transposeB ? [n, k] : [k, n];
  const at: Gemm = {
    ...shape,
    a: bench.put(spread(transposeA ? reference.transpose(a, m, k) : a, aRows, aCols, gap)),
    aStride: aCols + gap,
    b: bench.put(spread(transposeB ? reference.transpose(b, k, n) : b, bRows, bCols, gap)),
    bStride: bCols + gap,
    c: bench.put(spread(accumulate ? c : c.fill(NaN), m, n, gap)),
    cStride: n + gap,
  };
  gemm(bench.program, divided ? { ...at, work: bench.alloc(gemmWork(shape)) } : at);
  bench.run();
  const expected = reference.gemm(a, b, m, n, k);
  if (accumulate) for (let i = 0; i < c.length; i++) expected[i] += c[i];
  expectRows(bench.floats(at.c, m * (n + gap)), expected, m, n, gap, k + 1);
}

const FORMS = [
  { name: 'A · B', transposeA: false, transposeB: false },
  { name: 'A · Bᵀ', transposeA: false, transposeB: true },
  { name: 'Aᵀ · B', transposeA: true, transposeB: false },
  { name: 'Aᵀ · Bᵀ', transposeA: true, transposeB: true },
];

/** A matrix [rows, cols] in a type: what is held in memory, and its values. */
function hold(bench: KernelBench, type: HeldType, rows: number, cols: number) {
  const file = new Uint8Array(byteLength(type, rows * cols));
  QUANT[type].quantize!(noise(rows * cols, rows), file);
  const values = new Float32Array(rows * cols);
  QUANT[type].dequantize(file, values);
  const src = bench.put(file);
  if (isFloat(type)) return { weights: src, values };
  const weights = bench.alloc(heldBytes(type, rows, cols));
  repack(bench.program, { type, src, dst: weights, rows, cols });
  bench.run();
  return { weights, values };
}

describe.each(BACKENDS)('gemm, $name', (backend) => {
  const open = () => new KernelBench(backend.simd, 32 << 20, backend.isa);

  it.each(FORMS)('$name agrees with the reference for any sizes and strides', ({ transposeA, transposeB }) => {
    const size = (max: number) => fc.integer({ min: 1, max });
    fc.assert(
      fc.property(size(130), size(90), size(300), size(5), fc.boolean(), (m, n, k, gap, accumulate) => {
        check(open(), { m, n, k, transposeA, transposeB, accumulate }, gap - 1);
      }),
      { numRuns: 12 },
    );
  });

  it.each(FORMS)('$name agrees where pieces and blocks meet', ({ transposeA, transposeB }) => {
    for (const [m, n, k] of [
      [1, 1, 1],
      [8, 600, 256],
      [300, 8, 520],
      [200, 530, 8],
      [97, 48, 513],
    ]) {
      check(open(), { m, n, k, transposeA, transposeB, accumulate: m % 2 === 0 }, 1);
    }
  });

  it.each([false, true])('adds up parts of a deep product (accumulating: %s)', (accumulate) => {
    for (const [m, n, k, transposeA] of [
      [64, 130, 3000, true],
      [50, 67, 2600, false],
    ] as const) {
      expect(gemmWork({ m, n, k, transposeA })).toBeGreaterThan(4 * m * n);
      check(open(), { m, n, k, transposeA, accumulate }, 2, true);
    }
  });

  it('gives a row the same bits whatever rows come with it', () => {
    const [n, k] = [83, 300];
    const rows = [1, 2, 5, 16, 100].map((m) => {
      const bench = open();
      const a = bench.put(noise(m * k, 3));
      const b = bench.put(noise(n * k, 5));
      const c = bench.alloc(4 * m * n);
      gemm(bench.program, { m, n, k, a, aStride: k, b, bStride: k, transposeB: true, c, cStride: n });
      bench.run();
      return bench.floats(c, n);
    });
    for (const row of rows) expect(row).toEqual(rows[0]);
  });

  it('multiplies the rows of each expert by its matrix', () => {
    const [experts, n, k] = [6, 37, 50];
    const offsets = Int32Array.of(0, 2, 2, 3, 40, 40, 141);
    const m = offsets[experts];
    const bench = open();
    const a = noise(m * k, 1);
    const b = noise(experts * n * k, 2);
    // There may be more rows than the experts use.
    const c = bench.put(new Float32Array((m + 20) * n).fill(NaN));
    gemmExperts(bench.program, {
      ...{ m: m + 20, n, k, a: bench.put(a), aStride: k, b: bench.put(b), bStride: k, transposeB: true },
      ...{ c, cStride: n, experts, offsets: bench.put(offsets), along: 'm', matrixStride: n * k },
    });
    bench.run();
    const expected = new Float64Array(m * n);
    for (let e = 0; e < experts; e++) {
      const [from, to] = [offsets[e], offsets[e + 1]];
      const matrix = reference.transpose(b.subarray(e * n * k, (e + 1) * n * k), n, k);
      expected.set(reference.gemm(a.subarray(from * k, to * k), matrix, to - from, n, k), from * n);
    }
    expectRows(bench.floats(c, m * n), expected, m, n, 0, k);
    for (const value of bench.floats(c + 4 * m * n, 20 * n)) expect(value).toBeNaN();
  });

  it.each([true, false])('adds up the products of each expert over its rows (accumulating: %s)', (accumulate) => {
    const [experts, m, n] = [5, 41, 35];
    const offsets = Int32Array.of(0, 3, 3, 4, 44, 50);
    const k = offsets[experts];
    const bench = open();
    const a = noise(k * m, 1);
    const b = noise(k * n, 2);
    const before = noise(experts * m * n, 3);
    const c = bench.put(before);
    gemmExperts(bench.program, {
      ...{ m, n, k, a: bench.put(a), aStride: m, transposeA: true, b: bench.put(b), bStride: n, accumulate },
      ...{ c, cStride: n, experts, offsets: bench.put(offsets), along: 'k', matrixStride: m * n },
    });
    bench.run();
    const expected = accumulate ? Float64Array.from(before) : new Float64Array(experts * m * n);
    for (let e = 0; e < experts; e++) {
      const [from, to] = [offsets[e], offsets[e + 1]];
      const left = reference.transpose(a.subarray(from * m, to * m), to - from, m);
      const product = reference.gemm(left, b.subarray(from * n, to * n), m, n, to - from);
      for (let i = 0; i < m * n; i++) expected[e * m * n + i] += product[i];
    }
    expectRows(bench.floats(c, experts * m * n), expected, experts * m, n, 0, k);
  });

  describe.each(TYPES)('frozen weights in %s', (type) => {
    const cols = DTYPES[type].block === 256 ? 512 : isFloat(type) ? 83 : 352;
    const rows = 307;

    it.each([1, 5, 40])('forward, %i tokens', (tokens) => {
      const bench = open();
      const { weights, values } = hold(bench, type, rows, cols);
      const x = noise(tokens * cols, 5);
      const y = bench.put(spread(new Float32Array(tokens * rows).fill(1), tokens, rows, 2));
      frozenForward(bench.program, {
        ...{ type, weights, x: bench.put(spread(x, tokens, cols, 1)), xStride: cols + 1 },
        ...{ y, yStride: rows + 2, tokens, rows, cols, accumulate: true },
      });
      bench.run();
      const expected = reference.gemm(x, reference.transpose(values, rows, cols), tokens, rows, cols);
      const wanted = expected.map((value) => value + 1);
      expectRows(bench.floats(y, tokens * (rows + 2)), wanted, tokens, rows, 2, cols);
    });

    it.each([1, 5, 40])('backward, %i tokens', (tokens) => {
      const bench = open();
      const { weights, values } = hold(bench, type, rows, cols);
      const dy = noise(tokens * rows, 5);
      const dx = bench.put(new Float32Array(tokens * (cols + 2)).fill(NaN));
      const work = bench.alloc(frozenBackwardWork({ type, tokens, rows, cols }));
      frozenBackward(bench.program, {
        ...{ type, weights, dy: bench.put(spread(dy, tokens, rows, 1)), dyStride: rows + 1 },
        ...{ dx, dxStride: cols + 2, tokens, rows, cols, work },
      });
      bench.run();
      const expected = reference.gemm(dy, values, tokens, cols, rows);
      expectRows(bench.floats(dx, tokens * (cols + 2)), expected, tokens, cols, 2, rows);
    });
  });
});
