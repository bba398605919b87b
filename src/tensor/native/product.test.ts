import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isas, nativeRuns } from '../../../test/native-isas.js';
import { NativeKernel } from '../../../test/native-kernel.js';
import { QUANT } from '../../formats/quant/index.js';
import { product, productHalf, productTransposed } from './product.js';

interface Case {
  a: Float32Array;
  b: Float32Array;
  /** The same as f16, for the kernel that reads halves. */
  halves?: Uint16Array;
  c: Float32Array;
  scales?: Float32Array;
  rows: number;
  panels: number;
  k: number;
}

/** Values between a row of a or c and the next, which nothing may read or write. */
const GAP = 3;

/** c after the kernel has run, gaps included; `first` and `rows` choose some of the rows. */
function run(kernel: NativeKernel, { a, b, halves, c, scales, panels, k, ...all }: Case, first = 0, rows = all.rows) {
  kernel.clear();
  const width = 16 * panels + GAP;
  const at = {
    a: kernel.put(a, 4) + 4 * first * (k + GAP),
    b: kernel.put(halves ?? b),
    c: kernel.put(c, 8) + 4 * first * width,
    scales: scales ? kernel.put(scales) + 4 * first : 0,
  };
  kernel.call(at.a, 4 * (k + GAP), rows, at.b, (halves ? 32 : 64) * k, panels, k, at.c, 4 * width, at.scales);
  return kernel.read(at.c, rows * width);
}

/** The same in float64, and what an element's sum of magnitudes is. */
function reference({ a, b, c, scales, rows, panels, k }: Case) {
  const width = 16 * panels + GAP;
  const values = Float64Array.from(c);
  const magnitudes = new Float64Array(c.length);
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < 16 * panels; j++) {
      const at = r * width + j;
      values[at] = scales ? scales[r] * c[at] : 0;
      magnitudes[at] = Math.abs(values[at]);
      for (let i = 0; i < k; i++) {
        const term = a[r * (k + GAP) + i] * b[((j >> 4) * k + i) * 16 + (j & 15)];
        values[at] += term;
        magnitudes[at] += Math.abs(term);
      }
    }
  }
  return { values, magnitudes };
}

function makeCase(rows: number, panels: number, k: number, scaled: boolean, value: () => number): Case {
  const fill = (count: number) => new Float32Array(count).map(value);
  return {
    a: fill(rows * (k + GAP)),
    b: fill(panels * k * 16),
    c: fill(rows * (16 * panels + GAP)),
    scales: scaled ? fill(rows) : undefined,
    rows,
    panels,
    k,
  };
}

/** b in halves. */
function halved(test: Case): Case {
  const bytes = new Uint8Array(2 * test.b.length);
  QUANT.f16.quantize!(test.b, bytes);
  const b = new Float32Array(test.b.length);
  QUANT.f16.dequantize(bytes, b);
  return { ...test, b, halves: new Uint16Array(bytes.buffer) };
}

function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  };
}

function expectAgreement(kernel: NativeKernel, test: Case) {
  const actual = run(kernel, test);
  const { values, magnitudes } = reference(test);
  const wrong = values.findIndex((value, i) => !(Math.abs(actual[i] - value) <= 1e-6 * magnitudes[i]));
  if (wrong >= 0) expect({ at: wrong, value: actual[wrong] }).toEqual({ at: wrong, value: values[wrong] });
}

const KERNELS = { f32: product, f16: productHalf };
const VARIANTS = isas.flatMap((isa) => (['f32', 'f16'] as const).map((type) => ({ isa, type })));

describe.runIf(nativeRuns).each(VARIANTS)('product, $isa, b in $type', ({ isa, type }) => {
  const variant = (test: Case) => (type === 'f32' ? test : halved(test));

  it('agrees with the reference at every height and width of a tile', () => {
    using kernel = new NativeKernel(KERNELS[type], isa);
    for (let rows = 1; rows <= 26; rows++) {
      for (const panels of [1, 2, 3, 4, 5, 7]) {
        for (const k of [0, 1, 5])
          expectAgreement(kernel, variant(makeCase(rows, panels, k, rows % 2 === 0, noise(rows))));
      }
    }
  });

  it('agrees with the reference for any shape', () => {
    using kernel = new NativeKernel(KERNELS[type], isa);
    const shape = [fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 70 })];
    fc.assert(
      fc.property(
        ...(shape as [fc.Arbitrary<number>, fc.Arbitrary<number>, fc.Arbitrary<number>]),
        fc.boolean(),
        fc.integer(),
        (rows, panels, k, scaled, seed) => {
          expectAgreement(kernel, variant(makeCase(rows, panels, k, scaled, noise(seed))));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('gives a row the same bits whatever rows come with it', () => {
    using kernel = new NativeKernel(KERNELS[type], isa);
    for (const rows of [2, 6, 7, 12, 13, 16, 25]) {
      for (const panels of [1, 2, 5]) {
        const test = variant(makeCase(rows, panels, 33, true, noise(rows)));
        const width = 16 * panels + GAP;
        const together = run(kernel, test);
        for (let r = 0; r < rows; r++) {
          expect(run(kernel, test, r, 1)).toEqual(together.subarray(r * width, (r + 1) * width));
        }
      }
    }
  });

  it('keeps infinities, NaN, huge and subnormal values', () => {
    using kernel = new NativeKernel(KERNELS[type], isa);
    const extremes = [Infinity, -Infinity, NaN, 3e38, -3e38, 1e-40, -1.4e-45, 0, 1, -1];
    let i = 0;
    const test = variant(makeCase(10, 3, 1, false, () => extremes[(i += 7) % extremes.length]));
    const { values } = reference(test);
    expect(run(kernel, test)).toEqual(Float32Array.from(values));
  });
});

describe.runIf(nativeRuns).each(isas)('product with a transposed, %s', (isa) => {
  it('gives the bits of the product of rows', () => {
    using rowsKernel = new NativeKernel(product, isa);
    using kernel = new NativeKernel(productTransposed, isa);
    for (const [panels, k] of [
      [1, 0],
      [2, 33],
      [4, 1],
      [7, 20],
    ]) {
      for (let rows = 1; rows <= 26; rows++) {
        const test = makeCase(rows, panels, k, rows % 3 === 0, noise(rows));
        const columns = new Float32Array(k * (rows + GAP)).fill(NaN);
        for (let r = 0; r < rows; r++)
          for (let s = 0; s < k; s++) columns[s * (rows + GAP) + r] = test.a[r * (k + GAP) + s];
        kernel.clear();
        const width = 16 * panels + GAP;
        const at = { a: kernel.put(columns, 4), b: kernel.put(test.b), c: kernel.put(test.c, 8) };
        const scales = test.scales ? kernel.put(test.scales) : 0;
        kernel.call(at.a, 4 * (rows + GAP), rows, at.b, 64 * k, panels, k, at.c, 4 * width, scales);
        expect(kernel.read(at.c, rows * width)).toEqual(run(rowsKernel, test));
      }
    }
  });
});
