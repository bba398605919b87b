import { describe, expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { isas, nativeRuns } from '../../../test/native-isas.js';
import { QUANT } from '../../formats/quant/index.js';
import { byteLength, DTYPES } from '../dtype.js';
import { heldBytes } from '../ops/layout.js';
import { matmul } from '../ops/matmul.js';
import { quantize, quantizedBytes } from '../ops/quantize.js';
import { repack } from '../ops/repack.js';
import * as reference from '../reference/matmul.js';

const TYPES = ['q8_0', 'q4_0', 'q4_k', 'q6_k'] as const;
type Type = (typeof TYPES)[number];

function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  };
}

interface Case {
  bench: KernelBench;
  weights: number;
  values: Float32Array;
  x: number;
  activations: Float64Array | Float32Array;
}

/** Random bits for the weights (every integer and scale pattern), scales kept finite; x as given. */
function prepare(bench: KernelBench, type: Type, rows: number, cols: number, x: Float32Array): Case {
  const next = noise(rows * 31 + cols);
  const file = new Uint8Array(byteLength(type, rows * cols)).map(() => next() * 128 + 128);
  const { block, bytes } = DTYPES[type];
  const halves = { q8_0: [0], q4_0: [0], q4_k: [0, 2], q6_k: [208] }[type];
  for (let at = 0; at < file.length; at += bytes) for (const h of halves) file[at + h + 1] &= 0xbf;
  const values = new Float32Array((file.length / bytes) * block);
  QUANT[type].dequantize(file, values);
  const src = bench.put(file);
  const weights = bench.alloc(heldBytes(type, rows, cols));
  repack(bench.program, { type, src, dst: weights, rows, cols });
  const tokens = x.length / cols;
  const out = bench.alloc(quantizedBytes(tokens, cols, 8));
  quantize(bench.program, { x: bench.put(x), out, tokens, cols, bits: 8 });
  bench.run();
  return { bench, weights, values, x: out, activations: reference.dequantize(reference.quantize(x)) };
}

function product({ bench, weights, x }: Case, type: Type, tokens: number, rows: number, cols: number): Float32Array {
  const y = bench.alloc(4 * tokens * rows + 64);
  // What lies behind the result must stay.
  const guard = new Float32Array(bench.memory.buffer, y + 4 * tokens * rows, 16).fill(7);
  matmul(bench.program, { type, weights, x, y, tokens, rows, cols });
  bench.run();
  expect(guard.every((value) => value === 7)).toBe(true);
  return bench.floats(y, tokens * rows);
}

describe.runIf(nativeRuns).each(isas)('quantised panels, %s', (isa) => {
  it.each(TYPES)('%s agrees with the reference', (type) => {
    const super_ = DTYPES[type].block === 256;
    for (const cols of super_ ? [256, 1280] : [32, 96, 544]) {
      for (const rows of [1, 15, 16, 17, 50]) {
        const x = new Float32Array(29 * cols).map(noise(cols));
        const prepared = prepare(new KernelBench('relaxed', 8 << 20, isa), type, rows, cols, x);
        for (const tokens of [1, 2, 3, 5, 7, 12, 13, 29]) {
          const actual = product(prepared, type, tokens, rows, cols);
          const { values, activations } = prepared;
          const expected = reference.matmul(
            values,
            activations.subarray(0, tokens * cols),
            undefined,
            tokens,
            rows,
            cols,
          );
          const magnitudes = reference.matmul(
            values.map(Math.abs),
            activations.subarray(0, tokens * cols).map(Math.abs),
            undefined,
            tokens,
            rows,
            cols,
          );
          for (let i = 0; i < actual.length; i++) {
            if (!(Math.abs(actual[i] - expected[i]) <= 1e-6 * magnitudes[i] + 1e-30)) {
              expect.fail(`${cols}x${rows}, ${tokens} tokens, [${i}]: ${actual[i]}, not ${expected[i]}`);
            }
          }
        }
      }
    }
  });

  it.each(TYPES)('%s computes a token the same beside any others', (type) => {
    const [rows, cols, tokens] = [33, 512, 16];
    const x = new Float32Array(tokens * cols).map(noise(1));
    const prepared = prepare(new KernelBench('relaxed', 8 << 20, isa), type, rows, cols, x);
    const together = product(prepared, type, tokens, rows, cols);
    const stride = quantizedBytes(1, cols, 8);
    for (let t = 0; t < tokens; t++) {
      const alone = product({ ...prepared, x: prepared.x + t * stride }, type, 1, rows, cols);
      expect(alone).toEqual(together.subarray(t * rows, (t + 1) * rows));
    }
  });

  it.each(TYPES)('%s keeps extreme weights and activations', (type) => {
    const [rows, cols] = [16, 256];
    for (const x of [127, -127, 1e30, -1e30, 1e-29, 0]) {
      const prepared = prepare(
        new KernelBench('relaxed', 8 << 20, isa),
        type,
        rows,
        cols,
        new Float32Array(cols).fill(x),
      );
      const actual = product(prepared, type, 1, rows, cols);
      const expected = reference.matmul(prepared.values, prepared.activations, undefined, 1, rows, cols);
      const scale = Math.max(...expected.map(Math.abs), 1e-30);
      for (let i = 0; i < rows; i++) expect(Math.abs(actual[i] - expected[i]) / scale).toBeLessThan(1e-5);
    }
    const broken = prepare(
      new KernelBench('relaxed', 8 << 20, isa),
      type,
      rows,
      cols,
      new Float32Array(cols).fill(Infinity),
    );
    expect(product(broken, type, 1, rows, cols).every((value) => !Number.isFinite(value))).toBe(true);
  });
});
