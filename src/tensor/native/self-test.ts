/** Runs every native kernel once beside its WebAssembly twin, before anything relies on it. */
import { DTYPES } from '../dtype.js';
import type { NativeCalls } from '../kernels.js';
import { attention, attentionWorkBytes } from '../ops/attention.js';
import {
  attentionBackward,
  attentionBackwardWork,
  attentionForward,
  attentionForwardWork,
} from '../ops/attention-train.js';
import { type Run, runTable } from '../ops/batch.js';
import { swiglu } from '../ops/elementwise.js';
import { swigluBackward } from '../ops/elementwise-backward.js';
import { frozenBackward, gemm } from '../ops/gemm.js';
import { type KvType, kvPageBytes, storeKV } from '../ops/kv.js';
import { activationBits, type HeldType, heldBytes, isFloat } from '../ops/layout.js';
import { Q4_0_BLOCK, Q4_K_BLOCK, Q6_K_BLOCK, Q8_0_BLOCK } from '../ops/layout-constants.js';
import { matmul } from '../ops/matmul.js';
import { rmsNorm } from '../ops/norm.js';
import { rmsNormBackward, rmsNormBackwardWork } from '../ops/norm-backward.js';
import { quantize, quantizedBytes } from '../ops/quantize.js';
import { rope } from '../ops/rope.js';
import { type Trial, trials } from './trial.js';

const TYPES: readonly HeldType[] = ['q8_0', 'q4_0', 'q4_k', 'q6_k', 'f32', 'f16', 'bf16'];
/**
 * Two whole panels and a part; tiles of the largest size and smaller ones; more tokens than pass over float rows where
 * they lie (kernels/matmul-float-native.ts).
 */
const [ROWS, COLS, TOKENS] = [37, 256, 37];
/** A prompt, and a few tokens behind 126 others of which nothing is known: their keys and values are zeros. */
const RUNS: readonly Run[] = [
  { row: 0, rows: 20, position: 0, pages: [2], slot: 0 },
  { row: 20, rows: 3, position: 126, pages: [1, 0], slot: 1 },
];
const KV_TYPES: readonly KvType[] = ['f32', 'f16', 'int8'];

/** What differs, or undefined if nothing does. `bind` makes the native kernels callable over a memory. */
export function selfTest(bind: (memory: WebAssembly.Memory) => NativeCalls): string | undefined {
  const [wasm, native] = trials(bind);
  const cases = [
    ...TYPES.map((type) => ({ name: type, compute: (trial: Trial) => product(trial, type) })),
    { name: 'norm, rotation and SwiGLU', compute: between },
    { name: 'products of training', compute: training },
    { name: 'gradients of attention', compute: attentionGradients },
    { name: 'gradients of norms and SwiGLU', compute: gradients },
    ...KV_TYPES.map((type) => ({ name: `attention over ${type}`, compute: (trial: Trial) => attend(trial, type) })),
  ];
  for (const { name, compute } of cases) {
    const [expected, actual] = [wasm, native].map((trial) => {
      trial.begin();
      return compute(trial);
    });
    let largest = 0;
    let worst = 0;
    for (let i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      worst = Math.max(worst, Math.abs(actual[i] - expected[i]));
    }
    // NaN must fail too.
    if (!(largest > 0 && worst <= 1e-5 * largest)) return `${name} is off by ${worst} of ${largest}`;
  }
}

/** A product of pseudo-random weights in held form with pseudo-random activations. */
function product(trial: Trial, type: HeldType): Float32Array {
  const { program } = trial;
  const { pointer: weights, bytes } = trial.bytes(heldBytes(type, ROWS, COLS));
  tame(type, bytes);
  const x = trial.noise(TOKENS * COLS);
  const bits = activationBits(type, trial.simd, trial.native);
  const activations = bits ? trial.alloc(quantizedBytes(TOKENS, COLS, bits)) : x;
  const y = trial.alloc(4 * TOKENS * ROWS);
  if (bits) quantize(program, { x, out: activations, tokens: TOKENS, cols: COLS, bits });
  matmul(program, { type, weights, x: activations, y, tokens: TOKENS, rows: ROWS, cols: COLS });
  return trial.run(y, TOKENS * ROWS);
}

/** dW += dyᵀ · x; then dW · W for frozen halves W. */
function training(trial: Trial): Float32Array {
  const { program } = trial;
  const [m, n, k, cols] = [41, 37, 260, 50];
  const [a, b, c] = [trial.noise(k * m), trial.noise(k * n), trial.noise(m * n)];
  gemm(program, { m, n, k, a, aStride: m, transposeA: true, b, bStride: n, c, cStride: n, accumulate: true });
  const dx = trial.zeros(4 * m * cols);
  for (const type of ['f16', 'bf16'] as const) {
    const { pointer: weights, bytes } = trial.bytes(heldBytes(type, n, cols));
    tame(type, bytes);
    const to = { dx, dxStride: cols, tokens: m, rows: n, cols, accumulate: true };
    frozenBackward(program, { type, weights, dy: c, dyStride: n, ...to });
  }
  return trial.run(dx, m * cols);
}

/** Gradients through SwiGLU, then added to those of heads' norms, with those of the heads' weights. */
function gradients(trial: Trial): Float32Array {
  const [rows, heads, headDim] = [5, 2, 208];
  const cols = heads * headDim;
  const n = rows * cols;
  const [gate, up, dy] = [n, n, n].map((count) => trial.noise(count));
  const weight = trial.noise(headDim);
  const results = trial.zeros(4 * (2 * n + headDim));
  const [dGate, dUp, dw] = [results, results + 4 * n, results + 8 * n];
  const work = trial.alloc(rmsNormBackwardWork(rows, heads, headDim));
  swigluBackward(trial.program, { gate, up, dy, dGate, dUp, rows, cols });
  const norm = { weight, rows, groups: heads, cols: headDim, eps: 1e-5, weightOffset: 1, work };
  rmsNormBackward(trial.program, { ...norm, x: up, dy: dGate, dx: dUp, dw, accumulate: true });
  rmsNormBackward(trial.program, { ...norm, x: up, dy: dUp, dx: dGate, dw: 0 });
  return trial.run(results, 2 * n + headDim);
}

/** What a layer computes between its products: a norm, heads normalised and rotated in part, SwiGLU of the two. */
function between(trial: Trial): Float32Array {
  const [tokens, heads, headDim, rotaryDim] = [3, 2, 208, 96];
  const n = heads * headDim;
  const x = trial.noise(tokens * n);
  const weight = trial.noise(n);
  const [cos, sin] = [trial.noise((tokens * rotaryDim) / 2), trial.noise((tokens * rotaryDim) / 2)];
  const [normed, rotated, y] = [1, 2, 3].map(() => trial.alloc(4 * tokens * n));
  const norm = { weight, eps: 1e-5, weightOffset: 1 };
  rmsNorm(trial.program, { x, y: normed, rows: tokens, cols: n, ...norm });
  rope(trial.program, { cos, sin, tokens, headDim, rotaryDim, parts: [{ x: normed, y: rotated, heads, norm }] });
  swiglu(trial.program, { gate: rotated, up: normed, y, tokens, n });
  return trial.run(y, tokens * n);
}

/** Attention of both runs over a cache of pseudo-random keys and values. */
function attend(trial: Trial, type: KvType): Float32Array {
  const [rows, heads, kvHeads, headDim, capacity] = [23, 6, 2, 48, 129];
  const cache = { type, pages: trial.zeros(3 * kvPageBytes(type, kvHeads, headDim)), headDim };
  const batch = { runs: RUNS, pointer: trial.put(runTable(RUNS)) };
  const [k, v] = [trial.noise(rows * kvHeads * headDim), trial.noise(rows * kvHeads * headDim)];
  const q = trial.noise(rows * heads * headDim);
  const out = trial.alloc(4 * rows * heads * headDim);
  const work = trial.alloc(attentionWorkBytes(RUNS, heads, headDim, capacity));
  storeKV(trial.program, { ...cache, k, v, batch, heads: kvHeads });
  attention(trial.program, { ...cache, q, out, work, batch, heads, kvHeads, scale: 0.5 });
  return trial.run(out, rows * heads * headDim);
}

/** Forward and backward over two sequences, of which one fills several blocks. */
function attentionGradients(trial: Trial): Float32Array {
  const { program } = trial;
  const [runs, heads, kvHeads, headDim] = [[66, 3], 2, 1, 16];
  const rows = runs[0] + runs[1];
  const shape = { heads, kvHeads, headDim, rows, maxRows: runs[0], runCount: runs.length };
  const [width, kvWidth] = [heads * headDim, kvHeads * headDim];
  const noise = (columns: number) => trial.noise(rows * columns);
  const gradients = trial.alloc(4 * rows * (width + 2 * kvWidth));
  const o = {
    ...{ ...shape, scale: 0.25, q: noise(width), k: noise(kvWidth), v: noise(kvWidth), dOut: noise(width) },
    ...{ qStride: width, kStride: kvWidth, vStride: kvWidth, dqStride: width, dkStride: kvWidth, dvStride: kvWidth },
    ...{ dq: gradients, dk: gradients + 4 * rows * width, dv: gradients + 4 * rows * (width + kvWidth) },
    ...{ out: trial.alloc(4 * rows * width), lse: trial.alloc(4 * rows * heads) },
    runs: trial.put(Int32Array.of(0, runs[0], runs[0], runs[1])),
    work: trial.alloc(Math.max(attentionForwardWork(shape), attentionBackwardWork(shape))),
  };
  attentionForward(program, o);
  attentionBackward(program, o);
  return trial.run(gradients, rows * (width + 2 * kvWidth));
}

/** Where a block's f16 scales lie, and how long it is. */
const BLOCKS = {
  q8_0: { bytes: Q8_0_BLOCK, halves: 16 },
  q4_0: { bytes: Q4_0_BLOCK, halves: 16 },
  q4_k: { bytes: Q4_K_BLOCK, halves: 32 },
  q6_k: { bytes: Q6_K_BLOCK, halves: 16 },
} as const;

/** Makes possible weights of random bits: floats of about 1 (f16) or 0.01, scales of about 0.001, 6 bits in q4_k's. */
function tame(type: HeldType, panels: Uint8Array): void {
  if (isFloat(type)) {
    const size = DTYPES[type].bytes;
    for (let i = size - 1; i < panels.length; i += size) panels[i] = 0x3c;
    return;
  }
  const { bytes, halves } = BLOCKS[type];
  for (let block = 0; block < panels.length; block += bytes) {
    for (let i = 0; i < halves; i++) panels[block + 2 * i + 1] = 0x14;
    if (type !== 'q4_k') continue;
    for (let sub = block + 64; sub < block + bytes; sub += 288) for (let i = 0; i < 32; i++) panels[sub + i] &= 63;
  }
}
