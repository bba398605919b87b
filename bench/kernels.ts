/**
 * Times the matrix kernels on one thread: milliseconds, GB of weights and thousand million products a second
 * (the best of several runs).
 *
 *   npx tsx bench/kernels.ts relaxed 'decode 1024x3072' q4_0     what every argument occurs in; all without
 *
 * Backends are the two WebAssembly builds and the instruction sets of native kernels that this machine runs.
 */

import { byteLength } from '../src/tensor/dtype.js';
import { chooseSimd, type Simd } from '../src/tensor/kernels.js';
import { availableIsas } from '../src/tensor/native/available.js';
import type { IsaName } from '../src/tensor/native/isa.js';
import { embed } from '../src/tensor/ops/embed.js';
import { activationBits, type HeldType, heldBytes, isFloat } from '../src/tensor/ops/layout.js';
import { matmul } from '../src/tensor/ops/matmul.js';
import { quantize, quantizedBytes } from '../src/tensor/ops/quantize.js';
import { repack } from '../src/tensor/ops/repack.js';
import { KernelBench } from '../test/kernel-bench.js';

const filters = process.argv.slice(2);
const TYPES: readonly HeldType[] = ['q8_0', 'q4_0', 'q4_k', 'q6_k', 'f16', 'bf16', 'f32'];

interface Backend {
  name: string;
  simd: Simd;
  isa?: IsaName;
}

const BACKENDS: readonly Backend[] = [
  ...(['relaxed', 'plain'] as const).map((simd) => ({ name: simd, simd })),
  ...availableIsas().map((isa) => ({ name: isa, simd: chooseSimd(), isa })),
];

/** Milliseconds of processor time, so that a neighbour on the core does not count. */
function time(run: () => void): number {
  let best = Infinity;
  const until = performance.now() + 600;
  for (let i = 0; i < 4 || performance.now() < until; i++) {
    const start = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(start);
    best = Math.min(best, (user + system) / 1000);
  }
  return best;
}

function report(
  name: string,
  bytes: number,
  products: number,
  prepare: (bench: KernelBench) => () => void,
  backend: Backend,
) {
  const label = `${backend.name.padEnd(11)} ${name}`;
  if (!filters.every((filter) => label.includes(filter))) return;
  const bench = new KernelBench(backend.simd, 256 << 20, backend.isa);
  const record = prepare(bench);
  const ms = time(() => {
    record();
    bench.run();
  });
  const gmac = products ? (products / ms / 1e6).toFixed(1) : '';
  console.log(
    `${label.padEnd(44)} ${ms.toFixed(3).padStart(9)} ${(bytes / ms / 1e6).toFixed(1).padStart(7)} ${gmac.padStart(7)}`,
  );
}

/** Random bits, with scales of about 1/1000 (high byte 0x14 of an f16) where the type has them. */
function randomWeights(type: HeldType, count: number): Uint8Array {
  const bytes = new Uint8Array(byteLength(type, count));
  let state = 1;
  for (let i = 0; i < bytes.length; i++) bytes[i] = (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
  const [step, ...high] = SCALES[type];
  for (let i = 0; i < bytes.length; i += step)
    for (const at of high) bytes[i + at] = type === 'bf16' || type === 'f32' ? 0x3c : 0x14;
  return bytes;
}

/** Bytes of a block and where the high bytes of its floats are. */
const SCALES: Record<HeldType, readonly [number, ...number[]]> = {
  f32: [4, 3],
  f16: [2, 1],
  bf16: [2, 1],
  q8_0: [34, 1],
  q4_0: [18, 1],
  q4_k: [144, 1, 3],
  q6_k: [210, 209],
};

function product(backend: Backend, type: HeldType, tokens: number, rows: number, cols: number) {
  const name = `${tokens === 1 ? 'decode' : `prefill ${tokens}`} ${cols}x${rows} ${type}`;
  const bytes = heldBytes(type, rows, cols);
  report(
    name,
    bytes,
    tokens * rows * cols,
    (bench) => {
      const file = randomWeights(type, rows * cols);
      let weights = bench.put(file);
      if (!isFloat(type)) {
        const src = weights;
        weights = bench.alloc(bytes);
        repack(bench.program, { type, src, dst: weights, rows, cols });
        bench.run();
      }
      const values = new Float32Array(tokens * cols).map((_, i) => Math.sin(i));
      let x = bench.put(values);
      const bits = activationBits(type, backend.simd, backend.isa !== undefined);
      if (bits) {
        const out = bench.alloc(quantizedBytes(tokens, cols, bits));
        quantize(bench.program, { x, out, tokens, cols, bits });
        bench.run();
        x = out;
      }
      const y = bench.alloc(4 * tokens * rows);
      return () => matmul(bench.program, { type, weights, x, y, tokens, rows, cols });
    },
    backend,
  );
}

console.log(`${''.padEnd(44)} ${'ms'.padStart(9)} ${'GB/s'.padStart(7)} ${'GMAC/s'.padStart(7)}`);
for (const backend of BACKENDS) {
  for (const type of TYPES) product(backend, type, 1, 12_288, 4096);
  for (const type of TYPES) product(backend, type, 1, 3072, 1024);
  for (const tokens of [2, 3, 4, 8, 16, 64, 512]) for (const type of TYPES) product(backend, type, tokens, 3072, 1024);
  for (const type of TYPES) product(backend, type, 512, 1024, 3072);
  product(backend, 'f32', 1024, 1024, 1024);
  for (const bits of [8, 16] as const) {
    report(
      `quantize ${bits}`,
      512 * 1024 * 4,
      0,
      (bench) => {
        const x = bench.put(new Float32Array(512 * 1024).map((_, i) => Math.sin(i)));
        const out = bench.alloc(quantizedBytes(512, 1024, bits));
        return () => quantize(bench.program, { x, out, tokens: 512, cols: 1024, bits });
      },
      backend,
    );
  }
  for (const type of TYPES) {
    if (isFloat(type)) continue;
    report(
      `repack ${type}`,
      byteLength(type, 3072 * 1024),
      0,
      (bench) => {
        const src = bench.put(randomWeights(type, 3072 * 1024));
        const dst = bench.alloc(heldBytes(type, 3072, 1024));
        return () => repack(bench.program, { type, src, dst, rows: 3072, cols: 1024 });
      },
      backend,
    );
  }
  for (const type of TYPES) {
    report(
      `embed ${type}`,
      (512 * heldBytes(type, 16, 1024)) / 16,
      0,
      (bench) => {
        const table = bench.alloc(heldBytes(type, 4096, 1024));
        const ids = bench.put(new Int32Array(512).map((_, i) => (i * 797) % 4096));
        const out = bench.alloc(512 * 4096);
        return () => embed(bench.program, { type, table, ids, out, tokens: 512, rows: 4096, cols: 1024 });
      },
      backend,
    );
  }
}
