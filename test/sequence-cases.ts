/** What the tests of the operations in src/tensor/ops share: inputs, both builds, and a comparison. */
import { describe, expect } from 'vitest';
import { chooseSimd, type Simd } from '../src/tensor/kernels.js';
import { availableIsas } from '../src/tensor/native/available.js';
import type { IsaName } from '../src/tensor/native/isa.js';
import { OP_BYTES } from '../src/tensor/opcodes.js';
import { type Batch, type Run, runTable } from '../src/tensor/ops/batch.js';
import { type KvType, kvPageBytes } from '../src/tensor/ops/kv.js';
import { KV_PAGE } from '../src/tensor/ops/kv-constants.js';
import type { KernelBench } from './kernel-bench.js';

/** Runs the same suite on each build of the kernels that this machine has. */
export function onBothBuilds(name: string, suite: (simd: Simd) => void): void {
  const builds: Simd[] = chooseSimd() === 'relaxed' ? ['plain', 'relaxed'] : ['plain'];
  for (const simd of builds) describe(`${name} (${simd})`, () => suite(simd));
}

/** The same, and with the native kernels of each instruction set that this machine has. */
export function onAllBackends(name: string, suite: (simd: Simd, isa?: IsaName) => void): void {
  onBothBuilds(name, suite);
  for (const isa of availableIsas()) describe(`${name} (${isa})`, () => suite(chooseSimd(), isa));
}

/** Numbers in [-scale, scale), the same for the same seed (a linear congruential generator). */
export function random(n: number, seed: number, scale = 1): Float32Array {
  let state = seed >>> 0;
  return new Float32Array(n).map(() => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state / 2 ** 31 - 1) * scale;
  });
}

/** Largest difference relative to the expected values' root mean square. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let squares = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    squares += expected[i] ** 2;
    worst = Math.max(worst, Math.abs(actual[i] - expected[i]));
  }
  return worst / Math.max(Math.sqrt(squares / expected.length), 1e-30);
}

/** A step's runs with their table in memory. */
export function batchOf(bench: KernelBench, ...runs: Run[]): Batch {
  return { runs, pointer: bench.put(runTable(runs)) };
}

/** Pages of the first `positions` of sequence `slot` of `slots`, which take every so manyth page, the last first. */
export function pagesOf(positions: number, slot = 0, slots = 1, most = positions): number[] {
  const last = Math.ceil(most / KV_PAGE) - 1;
  return Array.from({ length: Math.ceil(positions / KV_PAGE) }, (_, i) => (last - i) * slots + slot);
}

/** A step of consecutive tokens of one sequence, whose pages lie one after the other. */
export function oneRun(bench: KernelBench, rows: number, position: number): Batch {
  const pages = Array.from({ length: Math.ceil((position + rows) / KV_PAGE) }, (_, i) => i);
  return batchOf(bench, { row: 0, rows, position, pages, slot: 0 });
}

/** Bytes of the pages of `slots` sequences of up to `positions` each. */
export function kvPagesBytes(type: KvType, kvHeads: number, headDim: number, positions: number, slots = 1): number {
  return slots * Math.ceil(positions / KV_PAGE) * kvPageBytes(type, kvHeads, headDim);
}

/** Runs the program with the pieces of every operation in reverse order, as a team might. */
export function runBackwards({ program, memory, kernels, scratch }: KernelBench): void {
  const words = new Int32Array(memory.buffer);
  for (let i = 0; i < program.count; i++) {
    const op = program.pointer + i * OP_BYTES;
    for (let piece = words[op / 4 + 1] - 1; piece >= 0; piece--) kernels.execute(op, piece, scratch);
  }
  program.clear();
}
