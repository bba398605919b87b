import { describe, expect, it } from 'vitest';
import { isas, nativeRuns } from '../../../test/native-isas.js';
import { NativeKernel } from '../../../test/native-kernel.js';
import { QUANT } from '../../formats/quant/index.js';
import { copyRows } from './copy.js';

const VARIANTS = isas.flatMap((isa) => (['f32', 'f16', 'bf16'] as const).map((type) => ({ isa, type })));

describe.runIf(nativeRuns).each(VARIANTS)('copying rows of $type, $isa', ({ isa, type }) => {
  it('puts blocks of 16 where line and next say, and nothing elsewhere', () => {
    using kernel = new NativeKernel(copyRows(type), isa);
    const gap = 2;
    for (const [rows, blocks] of [
      [1, 1],
      [3, 2],
      [20, 5],
    ]) {
      const stride = 16 * blocks + gap;
      const size = type === 'f32' ? 4 : 2;
      const bytes = new Uint8Array(size * rows * stride);
      QUANT[type].quantize!(
        new Float32Array(rows * stride).map((_, i) => Math.sin(i)),
        bytes,
      );
      const values = new Float32Array(rows * stride);
      QUANT[type].dequantize(bytes, values);
      for (const [line, next] of [
        [16, 16 * rows + 16],
        [16 * blocks + 4, 16],
      ]) {
        kernel.clear();
        const from = type === 'f32' ? kernel.put(values) : kernel.put(new Uint16Array(bytes.buffer));
        const count = rows * line + blocks * next + 16;
        const expected = new Float32Array(count).fill(7);
        const to = kernel.put(expected);
        kernel.call(from, size * stride, rows, blocks, to, 4 * line, 4 * next);
        for (let r = 0; r < rows; r++) {
          for (let b = 0; b < blocks; b++) {
            const at = r * stride + 16 * b;
            expected.set(values.subarray(at, at + 16), r * line + b * next);
          }
        }
        expect(kernel.read(to, count)).toEqual(expected);
      }
    }
  });
});
