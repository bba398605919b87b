/**
 * Times the operations that carry a sequence (attention, delta rule and their companions), on one thread.
 *
 *   npx tsx bench/kernels-sequence.ts [plain|relaxed|best|avx2|…] [name filter]
 */
import { parseArgs } from 'node:util';
import { availableIsas } from '../src/tensor/native/available.js';
import { attention, attentionWorkBytes } from '../src/tensor/ops/attention.js';
import { conv } from '../src/tensor/ops/conv.js';
import { deltaGates, deltaRule, deltaStateBytes } from '../src/tensor/ops/delta.js';
import { swiglu } from '../src/tensor/ops/elementwise.js';
import { type KvType, storeKV } from '../src/tensor/ops/kv.js';
import { DECODE_ROWS } from '../src/tensor/ops/kv-constants.js';
import { route } from '../src/tensor/ops/moe.js';
import { gatedNorm, rmsNorm } from '../src/tensor/ops/norm.js';
import { rope } from '../src/tensor/ops/rope.js';
import { KernelBench } from '../test/kernel-bench.js';
import { kvPagesBytes, oneRun } from '../test/sequence-cases.js';

const { positionals } = parseArgs({ allowPositionals: true });
const backend = positionals[0] ?? 'relaxed';
const simd = backend === 'plain' ? 'plain' : 'relaxed';
const isa = backend === 'best' ? availableIsas()[0] : availableIsas().find((name) => name === backend);
const filter = positionals[1] ?? '';

interface Case {
  name: string;
  /** Records the operation once. */
  emit: (bench: KernelBench) => void;
  /** Bytes that must be read at least, or multiply-adds, for the rate. */
  bytes?: number;
  macs?: number;
}

function measure({ name, emit, bytes, macs }: Case): void {
  if (!name.includes(filter)) return;
  const bench = new KernelBench(simd, 512 << 20, isa);
  let pieces = 0;
  const once = () => {
    const program = bench.program;
    record(bench);
    pieces = 0;
    for (let i = 0; i < program.count; i++)
      pieces += new Int32Array(bench.memory.buffer)[(program.pointer + i * 128) / 4 + 1];
    const start = performance.now();
    bench.run();
    return performance.now() - start;
  };
  // Inputs are allocated by the first recording; later ones reuse the same addresses.
  const addresses: number[] = [];
  const { alloc } = bench;
  let next = 0;
  bench.alloc = (size) => {
    if (next === addresses.length) addresses.push(alloc.call(bench, size));
    return addresses[next++];
  };
  const record = (b: KernelBench) => {
    next = 0;
    emit(b);
  };
  for (const until = performance.now() + 300; performance.now() < until; ) once();
  // The processor time of this process, so that other processes on the machine do not count.
  let best = Number.POSITIVE_INFINITY;
  let count = 0;
  const cpu = process.cpuUsage();
  for (const until = performance.now() + 500; count < 3 || performance.now() < until; count++) {
    best = Math.min(best, once());
  }
  const mean = process.cpuUsage(cpu).user / count / 1000;
  const rate = [
    bytes && `${(bytes / best / 1e6).toFixed(1)} GB/s`,
    macs && `${(macs / best / 1e6).toFixed(1)} GMAC/s`,
  ].filter(Boolean);
  const piece = `${((best * 1000) / pieces).toFixed(1)} µs a piece (${pieces})`;
  console.log(
    `${name.padEnd(44)} best ${best.toFixed(3)} ms (mean ${mean.toFixed(3)} of processor time)  ${rate.join(' ')}  ${piece}`,
  );
}

/** Pseudo-random floats in [-1, 1), written once for each address. */
const filled = new WeakMap<KernelBench, Set<number>>();
function noise(bench: KernelBench, elements: number, offset = 0, scale = 1): number {
  const pointer = bench.alloc(elements * 4);
  const seen = filled.get(bench) ?? new Set();
  filled.set(bench, seen);
  if (!seen.has(pointer)) {
    const view = new Float32Array(bench.memory.buffer, pointer, elements);
    for (let i = 0; i < elements; i++) view[i] = (Math.random() * 2 - 1 + offset) * scale;
    seen.add(pointer);
  }
  return pointer;
}

function attentionCase(type: KvType, tokens: number, position: number, heads = 16, kvHeads = 8, headDim = 128): Case {
  const capacity = position + tokens;
  const pairs = tokens * position + (tokens * (tokens + 1)) / 2;
  const stored = new WeakSet<KernelBench>();
  return {
    name: `attention ${type}, ${tokens} at ${position}, ${heads}/${kvHeads} heads of ${headDim}`,
    bytes: tokens <= DECODE_ROWS ? kvPagesBytes(type, kvHeads, headDim, capacity) : undefined,
    macs: 2 * pairs * heads * headDim,
    emit(bench) {
      const pages = bench.alloc(kvPagesBytes(type, kvHeads, headDim, capacity));
      const q = noise(bench, tokens * heads * headDim);
      const out = bench.alloc(tokens * heads * headDim * 4);
      const batch = oneRun(bench, tokens, position);
      const work = bench.alloc(attentionWorkBytes(batch.runs, heads, headDim, capacity));
      const cache = { pages, type, headDim };
      if (!stored.has(bench)) {
        const src = noise(bench, kvHeads * headDim * capacity);
        storeKV(bench.program, { ...cache, k: src, v: src, heads: kvHeads, batch: oneRun(bench, capacity, 0) });
        bench.run();
        stored.add(bench);
      }
      const shape = { ...cache, heads, kvHeads, scale: headDim ** -0.5 };
      attention(bench.program, { ...shape, batch, q, out, work });
    },
  };
}

function deltaCase(tokens: number, keyHeads = 16, valueHeads = 32, keyDim = 128, valueDim = 128): Case {
  return {
    name: `delta rule, ${tokens} tokens, ${keyHeads}/${valueHeads} heads of ${keyDim}`,
    bytes: tokens <= DECODE_ROWS ? 2 * valueHeads * keyDim * valueDim * 4 : undefined,
    macs: 3 * tokens * valueHeads * keyDim * valueDim,
    emit(bench) {
      deltaRule(bench.program, {
        q: noise(bench, tokens * keyHeads * keyDim),
        k: noise(bench, tokens * keyHeads * keyDim),
        v: noise(bench, tokens * valueHeads * valueDim),
        g: noise(bench, tokens * valueHeads, -1.01, 0.2),
        beta: noise(bench, tokens * valueHeads, 1, 0.5),
        state: noise(bench, deltaStateBytes(valueHeads, keyDim, valueDim) / 4),
        out: bench.alloc(tokens * valueHeads * valueDim * 4),
        ...{ tokens, keyHeads, valueHeads, keyDim, valueDim },
      });
    },
  };
}

for (const tokens of [1, 512]) {
  measure({
    name: `rmsNorm, ${tokens} x 2048`,
    emit: (b) => {
      const at = { x: noise(b, tokens * 2048), weight: noise(b, 2048), y: b.alloc(tokens * 8192) };
      rmsNorm(b.program, { ...at, rows: tokens, cols: 2048, eps: 1e-6 });
    },
  });
  measure({
    name: `gatedNorm, ${tokens} x 32 x 128`,
    emit: (b) => {
      const x = noise(b, tokens * 4096);
      const at = { x, gate: noise(b, tokens * 4096), weight: noise(b, 128), y: b.alloc(tokens * 16384) };
      gatedNorm(b.program, { ...at, rows: tokens, groups: 32, cols: 128, eps: 1e-6 });
    },
  });
  measure({
    name: `rope, ${tokens} x 16 x 128`,
    emit: (b) => {
      const tables = { cos: noise(b, tokens * 64), sin: noise(b, tokens * 64) };
      rope(b.program, {
        ...tables,
        tokens,
        headDim: 128,
        parts: [{ x: noise(b, tokens * 2048), y: b.alloc(tokens * 8192), heads: 16 }],
      });
    },
  });
  measure({
    name: `swiglu, ${tokens} x 6144`,
    emit: (b) => {
      const at = { gate: noise(b, tokens * 6144), up: noise(b, tokens * 6144), y: b.alloc(tokens * 6144 * 4) };
      swiglu(b.program, { ...at, tokens, n: 6144 });
    },
  });
  measure({
    name: `conv, ${tokens} x 8192`,
    emit: (b) => {
      const at = { x: noise(b, tokens * 8192), state: noise(b, 3 * 8192), weight: noise(b, 4 * 8192) };
      conv(b.program, { ...at, y: b.alloc(tokens * 8192 * 4), tokens, channels: 8192, kernel: 4 });
    },
  });
  measure({
    name: `deltaGates, ${tokens} x 32`,
    emit: (b) => {
      const at = { a: noise(b, tokens * 32), b: noise(b, tokens * 32), aLog: noise(b, 32), dtBias: noise(b, 32) };
      deltaGates(b.program, { ...at, g: b.alloc(tokens * 128), beta: b.alloc(tokens * 128), tokens, heads: 32 });
    },
  });
  measure({
    name: `route, ${tokens} x 128, top 8`,
    emit: (b) => {
      const at = { logits: noise(b, tokens * 128), ids: b.alloc(tokens * 32), weights: b.alloc(tokens * 32) };
      route(b.program, { ...at, tokens, experts: 128, topK: 8, normalize: true });
    },
  });
  for (const type of ['f16', 'int8'] as const)
    measure({
      name: `store ${type}, ${tokens} x 8 x 128`,
      emit: (b) => {
        const pages = b.alloc(kvPagesBytes(type, 8, 128, tokens));
        const [k, v] = [noise(b, tokens * 1024), noise(b, tokens * 1024)];
        const shape = { type, heads: 8, headDim: 128 } as const;
        storeKV(b.program, { ...shape, k, v, pages, batch: oneRun(b, tokens, 0) });
      },
    });
}
for (const type of ['f32', 'f16', 'int8'] as const) {
  measure(attentionCase(type, 1, 255));
  measure(attentionCase(type, 8, 4088));
  measure(attentionCase(type, 1, 4095));
  measure(attentionCase(type, 1, 4095, 32, 4));
  measure(attentionCase(type, 1, 4095, 16, 16));
  measure(attentionCase(type, 1, 255, 16, 16));
  measure(attentionCase(type, 512, 0));
  measure(attentionCase(type, 512, 3584));
}
for (const tokens of [1, 2, 3, 4, 8, 16, 512]) measure(deltaCase(tokens));
