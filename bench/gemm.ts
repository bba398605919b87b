/**
 * Times the matrix products of training: thousand million floating-point operations a second, the best of several runs.
 *
 *   npm run -s build && npx tsx bench/gemm.ts 2 glossary     threads, and what a case's name must contain
 *
 * One thread is timed by its processor time, which a neighbour on the core does not count into; more by the clock.
 */

import type { NativeChoice } from '../src/tensor/native/native.js';
import {
  frozenBackward,
  frozenBackwardWork,
  frozenForward,
  type Gemm,
  gemm,
  gemmWork,
} from '../src/tensor/ops/gemm.js';
import { type HeldType, heldBytes } from '../src/tensor/ops/layout.js';
import { matmul } from '../src/tensor/ops/matmul.js';
import type { Program } from '../src/tensor/program.js';
import { Team } from '../src/tensor/team.js';

const threads = Number(process.argv[2] ?? 1);
const filters = process.argv.slice(3);

const BACKENDS: readonly { name: string; native: NativeChoice }[] = [
  { name: 'native', native: 'best' },
  { name: 'wasm', native: 'off' },
];
const ARENA = 2_500_000_000;

/** y = x · Wᵀ of `tokens` × [rows, cols], and both gradients. */
type Form = 'y = x·Wᵀ' | 'dx = dy·W' | 'dW += dyᵀ·x';
const FORMS: readonly Form[] = ['y = x·Wᵀ', 'dx = dy·W', 'dW += dyᵀ·x'];

const SHAPES: readonly [name: string, tokens: number, rows: number, cols: number][] = [
  ['square', 1024, 1024, 1024],
  ['glossary qkv', 3072, 128, 128],
  ['glossary up', 3072, 384, 128],
  ['glossary down', 3072, 128, 384],
  ['glossary head', 768, 4096, 128],
  ['50M up', 2048, 1536, 512],
  ['50M down', 2048, 512, 1536],
  ['50M head', 256, 32_768, 512],
  ['0.6B q', 256, 2048, 1024],
  ['0.6B up', 256, 3072, 1024],
  ['0.6B down', 256, 1024, 3072],
  ['0.6B head', 256, 37_984, 1024],
  ['lora a', 256, 8, 1024],
  ['lora b', 256, 3072, 8],
  ['lora a wide', 256, 8, 3072],
];
const FROZEN: readonly [name: string, tokens: number, rows: number, cols: number][] = [
  ['few', 16, 3072, 1024],
  ['some', 64, 3072, 1024],
  ['0.6B up', 256, 3072, 1024],
  ['0.6B down', 256, 1024, 3072],
];

function time(team: Team, record: (p: Program) => void): number {
  const [arena] = team.arenas;
  let best = Infinity;
  const until = performance.now() + 500;
  for (let i = 0; i < 4 || performance.now() < until; i++) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    record(arena.program);
    team.run(arena);
    const { user, system } = process.cpuUsage(cpu);
    best = Math.min(best, threads === 1 ? (user + system) / 1000 : performance.now() - start);
  }
  return best;
}

for (const { name: backend, native } of BACKENDS) {
  using team = new Team([ARENA], { threads, native });
  const [arena] = team.arenas;
  const run = (name: string, products: number, bytes: number, prepare: () => (p: Program) => void) => {
    const label = `${backend.padEnd(7)} ${name}`;
    if (!filters.every((filter) => label.includes(filter))) return;
    const mark = arena.mark;
    const record = prepare();
    const ms = time(team, record);
    arena.release(mark);
    const gflops = ((2 * products) / ms / 1e6).toFixed(1);
    console.log(
      `${label.padEnd(58)} ${ms.toFixed(3).padStart(9)} ms ${gflops.padStart(7)} ${(bytes / ms / 1e6).toFixed(1).padStart(6)} GB/s`,
    );
  };
  const noise = (count: number) => {
    const pointer = arena.alloc(4 * count);
    const values = arena.floats(pointer, count);
    for (let i = 0; i < count; i++) values[i] = Math.sin(i);
    return pointer;
  };

  run('matmul of decoding, f32 1024³', 1024 ** 3, 12 << 20, () => {
    const [weights, x] = [noise(1 << 20), noise(1 << 20)];
    const y = arena.alloc(4 << 20);
    return (p) => matmul(p, { type: 'f32', weights, x, y, tokens: 1024, rows: 1024, cols: 1024 });
  });
  for (const [shape, tokens, rows, cols] of SHAPES) {
    for (const form of FORMS) {
      const bytes = 4 * (tokens * rows + rows * cols + cols * tokens);
      run(`${form} ${shape} ${tokens}x${rows}x${cols}`, tokens * rows * cols, bytes, () => {
        const [x, w, y] = [noise(tokens * cols), noise(rows * cols), noise(tokens * rows)];
        const [along, across] = [
          { bStride: cols, a: y, aStride: rows, cStride: cols },
          { m: tokens, a: x, aStride: cols },
        ];
        const product: Gemm =
          form === 'y = x·Wᵀ'
            ? { ...across, n: rows, k: cols, b: w, bStride: cols, transposeB: true, c: y, cStride: rows }
            : form === 'dx = dy·W'
              ? { ...along, m: tokens, n: cols, k: rows, b: w, c: x }
              : { ...along, m: rows, n: cols, k: tokens, transposeA: true, b: x, c: w };
        const work = arena.alloc(gemmWork(product));
        return (p) => gemm(p, { ...product, work });
      });
    }
  }
  for (const type of ['q8_0', 'q4_0', 'q4_k', 'q6_k', 'f16', 'bf16'] as const satisfies readonly HeldType[]) {
    for (const [shape, tokens, rows, cols] of FROZEN) {
      const held = heldBytes(type, rows, cols);
      const args = () => {
        const weights = arena.alloc(held);
        // Small numbers of either sign in every type: bytes of 0x14, of which some are turned round.
        const bytes = arena.bytes(weights, held);
        for (let i = 0; i < held; i++) bytes[i] = i % 5 ? 0x14 : 0x94;
        return { type, weights, tokens, rows, cols };
      };
      const products = tokens * rows * cols;
      run(`frozen ${type} forward ${shape} ${tokens}x${rows}x${cols}`, products, held, () => {
        const [o, x, y] = [args(), noise(tokens * cols), arena.alloc(4 * tokens * rows)];
        return (p) => frozenForward(p, { ...o, x, xStride: cols, y, yStride: rows });
      });
      run(`frozen ${type} backward ${shape} ${tokens}x${rows}x${cols}`, products, held, () => {
        const [o, dy, dx] = [args(), noise(tokens * rows), arena.alloc(4 * tokens * cols)];
        const work = arena.alloc(frozenBackwardWork(o));
        return (p) => frozenBackward(p, { ...o, dy, dyStride: rows, dx, dxStride: cols, work });
      });
    }
  }
}
