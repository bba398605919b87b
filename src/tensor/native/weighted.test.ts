import { describe, expect, it } from 'vitest';
import { NativeKernel } from '../../../test/native-kernel.js';
import { random } from '../../../test/sequence-cases.js';
import { fromF16, toF16 } from '../reference/kv.js';
import { availableIsas } from './available.js';
import { weighted8 } from './weighted.js';

const GAP = 5;

/** Weights [rows][k], values [k][32 · panels] as integers times f16 scales, and the blocks that hold them. */
function makeCase(rows: number, panels: number, k: number) {
  const blocks = Math.ceil(k / 16);
  const bytes = new Uint8Array(panels * blocks * 544).fill(0xff);
  const view = new DataView(bytes.buffer);
  const values = new Float64Array(k * 32 * panels);
  const integers = random(k * 32 * panels, 1, 127).map(Math.round);
  const scales = random(k * panels, 2);
  for (let panel = 0; panel < panels; panel++) {
    for (let i = 0; i < k; i++) {
      const block = (panel * blocks + (i >> 4)) * 544;
      const half = toF16(scales[panel * k + i]);
      view.setUint16(block + 2 * (i & 15), half, true);
      for (let d = 0; d < 32; d++) {
        const at = i * 32 * panels + 32 * panel + d;
        view.setInt8(block + 32 + 32 * (i & 15) + d, integers[at]);
        values[at] = integers[at] * fromF16(half);
      }
    }
  }
  const width = 32 * panels + GAP;
  return { rows, panels, k, bytes, values, width, a: random(rows * (k + GAP), 3), c: random(rows * width, 4) };
}

/** c after the kernel has run on some of the rows. */
function run(
  kernel: NativeKernel,
  test: ReturnType<typeof makeCase>,
  factors?: Float32Array,
  first = 0,
  rows = test.rows,
) {
  kernel.clear();
  const { panels, k, width } = test;
  const a = kernel.put(test.a, 4) + 4 * first * (k + GAP);
  const b = kernel.put(new Uint16Array(test.bytes.buffer));
  const c = kernel.put(test.c, 8) + 4 * first * width;
  const scales = factors ? kernel.put(factors) + 4 * first : 0;
  kernel.call(a, 4 * (k + GAP), rows, b, Math.ceil(k / 16) * 544, panels, k, c, 4 * width, scales);
  return kernel.read(c, rows * width);
}

describe.each(availableIsas())('weights × 8-bit values, %s', (isa) => {
  it.each([1, 2, 3, 5, 12, 13, 32])('agrees with the reference for %i rows, and leaves what lies between', (rows) => {
    using kernel = new NativeKernel(weighted8, isa);
    for (const panels of [1, 2, 4]) {
      for (const k of [1, 15, 16, 17, 80]) {
        const test = makeCase(rows, panels, k);
        for (const factors of [undefined, random(rows, 5)]) {
          const actual = run(kernel, test, factors);
          for (let r = 0; r < rows; r++) {
            for (let d = 0; d < test.width; d++) {
              const old = test.c[r * test.width + d];
              let sum = factors ? factors[r] * old : 0;
              let magnitude = Math.abs(sum);
              for (let i = 0; i < k && d < 32 * panels; i++) {
                const term = test.a[r * (k + GAP) + i] * test.values[i * 32 * panels + d];
                sum += term;
                magnitude += Math.abs(term);
              }
              const value = actual[r * test.width + d];
              if (d >= 32 * panels) expect(value).toBe(old);
              else expect(Math.abs(value - sum)).toBeLessThanOrEqual(1e-6 * magnitude);
            }
          }
        }
      }
    }
  });

  it('gives a row the same bits whatever rows come with it', () => {
    using kernel = new NativeKernel(weighted8, isa);
    const test = makeCase(25, 2, 45);
    const factors = random(25, 5);
    const together = run(kernel, test, factors);
    for (let r = 0; r < 25; r++) {
      expect(run(kernel, test, factors, r, 1)).toEqual(together.subarray(r * test.width, (r + 1) * test.width));
    }
  });
});
