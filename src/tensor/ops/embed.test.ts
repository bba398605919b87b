import { describe, expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { QUANT } from '../../formats/quant/index.js';
import { byteLength } from '../dtype.js';
import type { Simd } from '../kernels.js';
import { embed } from './embed.js';
import { type HeldType, heldBytes, isFloat } from './layout.js';
import { repack } from './repack.js';

const BUILDS: readonly Simd[] = ['plain', 'relaxed'];
const TYPES: readonly HeldType[] = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_k', 'q6_k'];

/** Random bytes are a matrix in every quantised type; scales that are not finite lose an exponent bit. */
function randomFile(type: HeldType, rows: number, cols: number): Uint8Array {
  let state = 7;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
  const file = new Uint8Array(byteLength(type, rows * cols)).map(random);
  const halves: Partial<Record<HeldType, [block: number, at: number[]]>> = {
    f16: [2, [0]],
    bf16: [2, [0]],
    f32: [4, [2]],
    q8_0: [34, [0]],
    q4_0: [18, [0]],
    q4_k: [144, [0, 2]],
    q6_k: [210, [208]],
  };
  const [block, at] = halves[type]!;
  for (let b = 0; b < file.length; b += block) for (const a of at) file[b + a + 1] &= 0xbf;
  return file;
}

describe.each(BUILDS)('repack and embed, %s SIMD', (simd) => {
  it.each(TYPES)("%s rows come out with exactly the format's values", (type) => {
    for (const [rows, cols] of isFloat(type)
      ? [
          [19, 7],
          [3, 64],
        ]
      : [
          [1, 256],
          [50, 768],
        ]) {
      const file = randomFile(type, rows, cols);
      const expected = new Float32Array(rows * cols);
      QUANT[type].dequantize(file, expected);
      const bench = new KernelBench(simd, 8 << 20);
      let table = bench.put(file);
      if (!isFloat(type)) {
        const src = table;
        const rowBytes = file.length / rows;
        table = bench.alloc(heldBytes(type, rows, cols));
        // In parts, as a loader that streams does.
        for (let firstRow = 0; firstRow < rows; firstRow += 32) {
          const part = { src: src + firstRow * rowBytes, rows: Math.min(32, rows - firstRow), firstRow };
          repack(bench.program, { type, dst: table, cols, ...part });
        }
        bench.run();
      }
      const ids = Int32Array.from({ length: rows + 2 }, (_, i) => (i < rows ? rows - 1 - i : i === rows ? rows : -1));
      const out = bench.alloc(4 * ids.length * cols);
      embed(bench.program, { type, table, ids: bench.put(ids), out, tokens: ids.length, rows, cols });
      bench.run();
      for (let i = 0; i < rows; i++) {
        const actual = bench.floats(out + 4 * i * cols, cols);
        expect(
          Buffer.from(actual.buffer).equals(Buffer.from(expected.slice(ids[i] * cols, (ids[i] + 1) * cols).buffer)),
        ).toBe(true);
      }
      expect(bench.floats(out + 4 * rows * cols, 2 * cols).every((v) => v === 0)).toBe(true);
    }
  });

  it.each(TYPES)('%s takes at most 1.06 times the bytes of the file', (type) => {
    expect(heldBytes(type, 1024, 2048)).toBeLessThanOrEqual(1.06 * byteLength(type, 1024 * 2048));
  });
});
