/** What the tests of the operations in src/tensor/ops share: inputs, both builds, and a comparison. */
import { describe, expect } from 'vitest';
import { chooseSimd, type Simd } from '../src/tensor/kernels.js';
import { availableIsas } from '../src/tensor/native/available.js';
import type { IsaName } from '../src/tensor/native/isa.js';
import { OP_BYTES } from '../src/tensor/opcodes.js';
import { type Batch, type Run, runTable } from '../src/tensor/ops/batch.js';
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

/** A step of consecutive tokens of one sequence. */
export function oneRun(bench: KernelBench, rows: number, position: number): Batch {
  return batchOf(bench, { row: 0, rows, position, slot: 0 });
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
