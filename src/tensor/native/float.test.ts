import { describe, expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { isas, nativeRuns } from '../../../test/native-isas.js';
import { NativeKernel } from '../../../test/native-kernel.js';
import { QUANT } from '../../formats/quant/index.js';
import { matmul } from '../ops/matmul.js';
import * as reference from '../reference/matmul.js';
import { floatRows } from './float.js';
import { packRows } from './pack.js';
import type { FloatType } from './widen.js';

const TYPES: readonly FloatType[] = ['f32', 'f16', 'bf16'];

function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  };
}

/** Values as a type holds them, and what they are then. */
function encode(type: FloatType, values: Float32Array) {
  if (type === 'f32') return { held: values, values };
  const bytes = new Uint8Array(2 * values.length);
  QUANT[type].quantize!(values, bytes);
  return decode(type, new Uint16Array(bytes.buffer));
}

function decode(type: 'f16' | 'bf16', held: Uint16Array) {
  const values = new Float32Array(held.length);
  QUANT[type].dequantize(new Uint8Array(held.buffer), values);
  return { held, values };
}

describe.runIf(nativeRuns).each(isas)('float rows, %s', (isa) => {
  it.each(TYPES)('%s: adds products of any number of rows and tokens, the same bits for each token', (type) => {
    using kernel = new NativeKernel(floatRows(type), isa);
    const size = type === 'f32' ? 4 : 2;
    for (const columns of [16, 80]) {
      const [allRows, allTokens, pitch] = [11, 17, columns + 3];
      const next = noise(columns);
      const random = (count: number) => new Float32Array(count).map(next);
      const { held, values: w } = encode(type, random(allRows * pitch));
      const x = random(allTokens * pitch);
      kernel.clear();
      const at = { w: kernel.put(held, size), x: kernel.put(x, 4), y: kernel.alloc(4 * allTokens * (allRows + 2)) };
      for (const rows of [1, 2, 3, 4, 7, allRows]) {
        const before = random(allTokens * (rows + 2));
        let last: Float32Array | undefined;
        for (let tokens = 1; tokens <= allTokens; tokens++) {
          kernel.floats.set(before, at.y / 4);
          kernel.call(at.w, size * pitch, rows, at.x, 4 * pitch, tokens, columns, at.y, 4 * (rows + 2));
          const y = kernel.read(at.y, allTokens * (rows + 2));
          expect(y.subarray(tokens * (rows + 2))).toEqual(before.subarray(tokens * (rows + 2)));
          if (last) expect(y.subarray(0, last.length)).toEqual(last);
          last = y.subarray(0, tokens * (rows + 2));
        }
        for (let i = 0; i < last!.length; i++) {
          const [t, r] = [Math.floor(i / (rows + 2)), i % (rows + 2)];
          let sum = before[i];
          for (let c = 0; c < columns && r < rows; c++) sum += w[r * pitch + c] * x[t * pitch + c];
          expect(Math.abs(last![i] - sum)).toBeLessThan(1e-4);
        }
      }
    }
  });

  it.each(TYPES)('%s: keeps infinities, NaN, huge and subnormal values', (type) => {
    using kernel = new NativeKernel(floatRows(type), isa);
    const bits = [0x7f80, 0xff80, 0x7fc1, 0x7f7f, 0xff7f, 0x0001, 0x8001, 0x0000, 0x7c00, 0x03ff];
    const { held, values } =
      type === 'f32'
        ? encode(type, Float32Array.of(Infinity, -Infinity, NaN, 3e38, -3e38, 1e-40, -1.4e-45, 0, 1, -1))
        : decode(type, Uint16Array.from(bits));
    // One value a row: what it is multiplied by is 1, all else 0.
    for (const [i, value] of values.entries()) {
      kernel.clear();
      const rows = held.constructor === Float32Array ? new Float32Array(64) : new Uint16Array(64);
      for (let r = 0; r < 4; r++) rows[16 * r + 5] = held[i];
      const x = new Float32Array(16);
      x[5] = 1;
      const [w, vector, y] = [kernel.put(rows), kernel.put(x), kernel.put(new Float32Array(4))];
      kernel.call(w, 16 * rows.BYTES_PER_ELEMENT, 4, vector, 64, 1, 16, y, 16);
      expect(kernel.read(y, 4)).toEqual(new Float32Array(4).fill(value));
    }
  });

  it.each(TYPES)('%s: packs rows into panels', (type) => {
    using kernel = new NativeKernel(packRows(type), isa);
    for (const columns of [16, 48]) {
      for (const panels of [1, 3]) {
        kernel.clear();
        const pitch = columns + 5;
        const next = noise(panels);
        const { held, values } = encode(type, new Float32Array(16 * panels * pitch).map(next));
        const [w, to] = [kernel.put(held, held.BYTES_PER_ELEMENT), kernel.alloc(64 * panels * columns)];
        kernel.call(w, held.BYTES_PER_ELEMENT * pitch, panels, columns, to);
        const expected = new Float32Array(16 * panels * columns).map((_, i) => {
          const [panel, column, row] = [Math.floor(i / (16 * columns)), Math.floor(i / 16) % columns, i % 16];
          return values[(16 * panel + row) * pitch + column];
        });
        expect(kernel.read(to, expected.length)).toEqual(expected);
      }
    }
  });

  it.each(TYPES)('%s: a whole product agrees with the reference and with WebAssembly', (type) => {
    const shapes = [
      { rows: 37, cols: 80, tokens: [1, 2, 16, 33] },
      { rows: 20, cols: 21, tokens: [1, 17, 40] },
      { rows: 33, cols: 7, tokens: [3, 40] },
      { rows: 70, cols: 1046, tokens: [5, 40, 700] },
    ];
    for (const { rows, cols, tokens } of shapes) {
      const next = noise(rows);
      const random = (count: number) => new Float32Array(count).map(next);
      const { held, values: w } = encode(type, random(rows * cols));
      const x = random(Math.max(...tokens) * cols);
      const bias = random(rows);
      for (const n of tokens) {
        const run = (set?: typeof isa) => {
          const bench = new KernelBench('relaxed', 16 << 20, set);
          const y = bench.alloc(4 * n * rows);
          matmul(bench.program, {
            type,
            weights: bench.put(held),
            x: bench.put(x.subarray(0, n * cols)),
            bias: bench.put(bias),
            y,
            tokens: n,
            rows,
            cols,
          });
          bench.run();
          return bench.floats(y, n * rows);
        };
        const [native, wasm] = [run(isa), run()];
        const expected = reference.matmul(w, x, bias, n, rows, cols);
        const worst = (actual: Float32Array) =>
          expected.reduce((most, v, i) => Math.max(most, Math.abs(actual[i] - v)), 0);
        expect(worst(native)).toBeLessThan(1e-6 * cols);
        expect(worst(wasm)).toBeLessThan(1e-6 * cols);
      }
    }
  });

  it.each(TYPES)('%s: a whole product gives a token the same bits alone and among sixteen', (type) => {
    for (const [rows, cols] of [
      [37, 80],
      [20, 1046],
    ]) {
      const next = noise(cols);
      const { held } = encode(type, new Float32Array(rows * cols).map(next));
      const x = new Float32Array(16 * cols).map(next);
      const bench = new KernelBench('relaxed', 4 << 20, isa);
      const [weights, vectors, y] = [bench.put(held), bench.put(x), bench.alloc(64 * rows)];
      const run = (first: number, tokens: number) => {
        matmul(bench.program, { type, weights, x: vectors + 4 * first * cols, y, tokens, rows, cols });
        bench.run();
        return bench.floats(y, tokens * rows);
      };
      const together = run(0, 16);
      for (let t = 0; t < 16; t++) expect(run(t, 1)).toEqual(together.subarray(t * rows, (t + 1) * rows));
    }
  });
});
