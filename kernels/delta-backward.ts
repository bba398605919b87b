/**
 * Gradients through the gated delta rule. In a chunk, with b_t the sum of g up to t, E[t,s] = e^{b_t − b_s} for s ≤ t, S the
 * state before and S′ after it:
 *   N = −β_t E k_t·k_s below the diagonal, P = E q_t·k_s up to it
 *   D = β (V − e^b K S) + N D,   O = e^b Q S + P D,   S′ = e^{b_C} S + Σ_s e^{b_C − b_s} k_s d_sᵀ
 * (Yang, Kautz, Hatamizadeh, arXiv:2412.06464). Backwards, from the last chunk to the first, with the gradient of S′:
 *   dR = Nᵀ dR + Pᵀ dO + e^{b_C − b} K dS′,   dV = β dR
 *   dS = e^{b_C} dS′ + (e^b Q)ᵀ dO − (β e^b K)ᵀ dR
 *   dQ = e^b dO Sᵀ + (dO Dᵀ ∘ E) K
 *   dK = −β e^b dR Sᵀ + e^{b_C − b} D dS′ᵀ + (dO Dᵀ ∘ E)ᵀ Q + (W + Wᵀ) K,   W = −β (dR Dᵀ ∘ E) below the diagonal
 * The gradient of log β_t is dR_t·D_t. The gradient of g_t adds up every product in whose exponent g_t is: nothing large
 * has to cancel.
 *
 * The way there kept the state every DELTA_BLOCK tokens. From one of those the states of the block's chunks are computed
 * again. A piece is one run and one key head: its value heads add to the same gradients of q and k, one after the other.
 */
import { DELTA_BLOCK, DELTA_CHUNK } from '../src/tensor/ops/delta-constants';
import { transpose } from './delta-chunks';
import { normalise } from './norm';
import { float, int, ptr } from './record';
import { exp, madd, sum } from './simd';
import { squares } from './sums';
import { tile4 } from './tile';

const CHUNK: i32 = DELTA_CHUNK;
/** Bytes from row to row of a matrix [.., CHUNK]. */
const LINE: usize = CHUNK << 2;

// Where the piece that runs has what; every member of a team has an instance of this module of its own.
/** keyDim and valueDim, padded with zeros to multiples of 8. */
let rows: i32 = 0;
let cols: i32 = 0;
let rowBytes: usize = 0;
let colBytes: usize = 0;
/** Matrices [rows, cols] as panels of 8 columns: before each chunk of a block, and the gradient of the one behind. */
let stateBytes: usize = 0;
let panelBytes: usize = 0;
let states: usize = 0;
let dState: usize = 0;
/** D of each chunk of a block [CHUNK, cols]; dO and dR of one. */
let deltas: usize = 0;
let dOut: usize = 0;
let dRight: usize = 0;
/** [CHUNK, rows]; dEnd is the part of dK that comes through S′. */
let k: usize = 0;
let q: usize = 0;
let dk: usize = 0;
let dq: usize = 0;
let dEnd: usize = 0;
/** [rows, CHUNK]: Kᵀ, and two for products with Kᵀ or Qᵀ. */
let kT: usize = 0;
let left: usize = 0;
let right: usize = 0;
/** [cols, CHUNK]: Dᵀ. [cols, 8]: eight rows of S, and of dS′. */
let deltaT: usize = 0;
let stateT: usize = 0;
let dStateT: usize = 0;
/** [CHUNK, CHUNK]. */
let kk: usize = 0;
let qk: usize = 0;
let spans: usize = 0;
let inner: usize = 0;
let pairsT: usize = 0;
let wq: usize = 0;
let wqT: usize = 0;
let wk: usize = 0;
let both: usize = 0;
let crossings: usize = 0;
/** [CHUNK]: g, β, e^b, −β e^b, e^{b_C − b}; what comes from S and what goes to S′ of the gradient of g. */
let g: usize = 0;
let beta: usize = 0;
let grown: usize = 0;
let against: usize = 0;
let toEnd: usize = 0;
let fromState: usize = 0;
let intoState: usize = 0;
/** Four times e^{b_C}; four ones. */
let ending: usize = 0;
let ones: usize = 0;

/**
 * Ints: q, k, v, g, beta, kept states, dOut, dq, dk, dv, dg, dLogBeta, runs, keyHeads, valueHeads, keyDim, valueDim,
 * stride (of q, k, v), dOutStride, dStride (of dq, dk, dv), tiled. Floats: scale, eps.
 */
export function deltaBackward(op: usize, piece: i32, scratch: usize): void {
  const keyHeads = int(op, 13);
  const group = int(op, 14) / keyHeads;
  const run = ptr(op, 12) + (<usize>(piece / keyHeads) << 3);
  const keyHead = piece % keyHeads;
  place(op, scratch);
  for (let i = 0; i < group; i++) {
    const head = int(op, 20) ? keyHead + i * keyHeads : keyHead * group + i;
    backThroughHead(op, load<i32>(run), load<i32>(run, 4), keyHead, head, i > 0);
  }
}

function place(op: usize, scratch: usize): void {
  rows = (int(op, 15) + 7) & ~7;
  cols = (int(op, 16) + 7) & ~7;
  rowBytes = <usize>rows << 2;
  colBytes = <usize>cols << 2;
  panelBytes = <usize>rows << 5;
  stateBytes = <usize>(cols >> 3) * panelBytes;
  const wide = <usize>CHUNK * colBytes;
  const tall = <usize>CHUNK * rowBytes;
  const square = <usize>CHUNK * LINE;
  states = scratch;
  dState = states + <usize>(DELTA_BLOCK / CHUNK) * stateBytes;
  deltas = dState + stateBytes;
  dOut = deltas + <usize>(DELTA_BLOCK / CHUNK) * wide;
  dRight = dOut + wide;
  k = dRight + wide;
  q = k + tall;
  dk = q + tall;
  dq = dk + tall;
  dEnd = dq + tall;
  kT = dEnd + tall;
  left = kT + tall;
  right = left + tall;
  deltaT = right + tall;
  stateT = deltaT + wide;
  dStateT = stateT + (<usize>cols << 5);
  kk = dStateT + (<usize>cols << 5);
  qk = kk + square;
  spans = qk + square;
  inner = spans + square;
  pairsT = inner + square;
  wq = pairsT + square;
  wqT = wq + square;
  wk = wqT + square;
  both = wk + square;
  crossings = both + square;
  g = crossings + square;
  beta = g + LINE;
  grown = beta + LINE;
  against = grown + LINE;
  toEnd = against + LINE;
  fromState = toEnd + LINE;
  intoState = fromState + LINE;
  ending = intoState + LINE;
  ones = ending + 16;
  v128.store(ones, f32x4.splat(1));
}

function backThroughHead(op: usize, row: i32, tokens: i32, keyHead: i32, head: i32, accumulate: bool): void {
  memory.fill(dState, 0, stateBytes);
  for (let block = ((tokens - 1) / DELTA_BLOCK) * DELTA_BLOCK; block >= 0; block -= DELTA_BLOCK) {
    const last = (min(DELTA_BLOCK, tokens - block) - 1) / CHUNK;
    readState(op, row, block, head);
    for (let i = 0; i <= last; i++) {
      const first = block + i * CHUNK;
      const n = min(CHUNK, tokens - first);
      prepare(op, row + first, n, keyHead, head);
      advance(op, row + first, n, head, i, i < last);
    }
    for (let i = last; i >= 0; i--) {
      const first = block + i * CHUNK;
      const n = min(CHUNK, tokens - first);
      // The last chunk's preparation is still there.
      if (i < last) prepare(op, row + first, n, keyHead, head);
      backThroughChunk(op, row + first, n, head, states + <usize>i * stateBytes, deltas + <usize>i * <usize>CHUNK * colBytes);
      finish(op, row + first, n, keyHead, accumulate);
    }
  }
}

/** The state before a block, from memory, where keyDim is padded to a multiple of 4 only. */
function readState(op: usize, row: i32, block: i32, head: i32): void {
  memory.fill(states, 0, stateBytes);
  if (!block) return;
  const panels = cols >> 3;
  const bytes = <usize>((int(op, 15) + 3) & ~3) << 5;
  const index = row / DELTA_BLOCK + block / DELTA_BLOCK - 1;
  const kept = ptr(op, 5) + <usize>((index * int(op, 14) + head) * panels) * bytes;
  for (let p: usize = 0; p < <usize>panels; p++) memory.copy(states + p * panelBytes, kept + p * bytes, bytes);
}

/** Reads a chunk of n tokens, the rest as zeros, and computes what depends on keys, queries and gates alone. */
function prepare(op: usize, row: i32, n: i32, keyHead: i32, head: i32): void {
  const keyDim = int(op, 15);
  const stride = int(op, 17);
  memory.fill(g, 0, LINE);
  memory.fill(beta, 0, LINE);
  let total: f32 = 0;
  for (let t = 0; t < CHUNK; t++) {
    const at = <usize>t * rowBytes;
    const i = <usize>t << 2;
    if (t < n) {
      const source = <usize>((row + t) * stride + keyHead * keyDim) << 2;
      normalise(ptr(op, 1) + source, k + at, keyDim, rows, 1, float(op, 1));
      normalise(ptr(op, 0) + source, q + at, keyDim, rows, float(op, 0), float(op, 1));
      const gate = <usize>((row + t) * int(op, 14) + head) << 2;
      store<f32>(g + i, load<f32>(ptr(op, 3) + gate));
      store<f32>(beta + i, load<f32>(ptr(op, 4) + gate));
      total += load<f32>(g + i);
    } else {
      memory.fill(k + at, 0, rowBytes);
      memory.fill(q + at, 0, rowBytes);
    }
    store<f32>(grown + i, total);
  }
  v128.store(ending, exp(f32x4.splat(total)));
  for (let i: usize = 0; i < LINE; i += 16) {
    const e = exp(v128.load(grown + i));
    v128.store(grown + i, e);
    v128.store(against + i, f32x4.neg(f32x4.mul(v128.load(beta + i), e)));
  }
  transpose(k, kT, rows, <usize>CHUNK, LINE, 32);
  for (let t: usize = 0; t < <usize>n; t += 4) {
    for (let s: usize = 0; s < <usize>CHUNK; s += 8) {
      tile4<f32>(k + t * rowBytes, rowBytes, kT + (s << 2), LINE, rows, kk + t * LINE + (s << 2), LINE, 0);
      tile4<f32>(q + t * rowBytes, rowBytes, kT + (s << 2), LINE, rows, qk + t * LINE + (s << 2), LINE, 0);
    }
  }
  decays(n);
}

/** E, and with it N. The way from s to t grows row by row: differences of large sums would lose the small ones. */
function decays(n: i32): void {
  memory.fill(toEnd, 0, LINE);
  for (let t = 0; t < n; t++) {
    const row = <usize>t * LINE;
    const gt = v128.load32_splat(g + (<usize>t << 2));
    const minusBeta = f32x4.neg(v128.load32_splat(beta + (<usize>t << 2)));
    for (let s = 0; s < CHUNK; s += 4) {
      const i = <usize>s << 2;
      const index = i32x4.add(i32x4.splat(s), i32x4(0, 1, 2, 3));
      const below = i32x4.lt_s(index, i32x4.splat(t));
      const span = v128.and(f32x4.add(v128.load(toEnd + i), gt), below);
      v128.store(toEnd + i, span);
      const e = v128.and(exp(span), i32x4.le_s(index, i32x4.splat(t)));
      v128.store(spans + row + i, e);
      v128.store(inner + row + i, v128.and(f32x4.mul(f32x4.mul(minusBeta, e), v128.load(kk + row + i)), below));
    }
  }
  for (let i: usize = 0; i < LINE; i += 16) v128.store(toEnd + i, exp(v128.load(toEnd + i)));
}

/** D of chunk i of the block, and the state behind it where a chunk follows. */
function advance(op: usize, row: i32, n: i32, head: i32, i: i32, follows: bool): void {
  const state = states + <usize>i * stateBytes;
  const delta = deltas + <usize>(i * CHUNK) * colBytes;
  const valueDim = int(op, 16);
  const height = (n + 3) & ~3;
  memory.fill(delta, 0, <usize>CHUNK * colBytes);
  for (let p: usize = 0; p < <usize>(cols >> 3); p++) {
    for (let t: usize = 0; t < <usize>n; t += 4) {
      tile4<f32>(k + t * rowBytes, rowBytes, state + p * panelBytes, 32, rows, delta + t * colBytes + (p << 5), colBytes, 0);
    }
  }
  for (let t = 0; t < n; t++) {
    const to = delta + <usize>t * colBytes;
    const v = ptr(op, 2) + (<usize>((row + t) * int(op, 17) + head * valueDim) << 2);
    const write = v128.load32_splat(beta + (<usize>t << 2));
    const known = v128.load32_splat(against + (<usize>t << 2));
    const bytes = <usize>valueDim << 2;
    let j: usize = 0;
    for (; j + 16 <= bytes; j += 16) {
      v128.store(to + j, madd(known, v128.load(to + j), f32x4.mul(write, v128.load(v + j))));
    }
    for (; j < bytes; j += 4) {
      store<f32>(to + j, f32x4.extract_lane(known, 0) * load<f32>(to + j) + f32x4.extract_lane(write, 0) * load<f32>(v + j));
    }
    addRows(to, delta, t, inner + <usize>t * LINE, 4);
  }
  if (!follows) return;
  const next = state + stateBytes;
  memory.copy(next, state, stateBytes);
  scaleColumns(left, kT, toEnd);
  for (let p: usize = 0; p < <usize>(cols >> 3); p++) {
    for (let r: usize = 0; r < <usize>rows; r += 4) {
      tile4<f32>(
        left + r * LINE, LINE, delta + (p << 5), colBytes, height, next + p * panelBytes + (r << 5), 32, ending,
      );
    }
  }
}

/** From the gradient of the state behind the chunk to that of the one before it; leaves dq and dk of the normalised rows. */
function backThroughChunk(op: usize, row: i32, n: i32, head: i32, state: usize, delta: usize): void {
  const height = (n + 3) & ~3;
  readGradient(op, row, n, head);
  transpose(delta, deltaT, cols, <usize>CHUNK, LINE, 32);
  solveBack(n, height);
  pairs(n, height);
  for (let t = 0; t < n; t++) {
    const i = <usize>t << 2;
    const from = dRight + <usize>t * colBytes;
    const at = (row + t) * int(op, 14) + head;
    store<f32>(ptr(op, 11) + (<usize>at << 2), dotRows(from, delta + <usize>t * colBytes, colBytes));
    const dv = ptr(op, 9) + (<usize>((row + t) * int(op, 19) + head * int(op, 16)) << 2);
    const factor = load<f32>(beta + i);
    for (let j: usize = 0; j < <usize>int(op, 16) << 2; j += 4) store<f32>(dv + j, factor * load<f32>(from + j));
  }
  throughStates(n, state, delta);
  decayGradient(op, row, n, head, load<f32>(ending) * dotRows(state, dState, stateBytes));
  for (let r: usize = 0; r < rowBytes; r += 32) {
    for (let t: usize = 0; t < <usize>n; t += 4) {
      const at = t * rowBytes + r;
      tile4<f32>(wq + t * LINE, LINE, k + r, rowBytes, height, dq + at, rowBytes, ones);
      tile4<f32>(wqT + t * LINE, LINE, q + r, rowBytes, height, dk + at, rowBytes, ones);
      tile4<f32>(both + t * LINE, LINE, k + r, rowBytes, height, dk + at, rowBytes, ones);
    }
  }
  transpose(q, right, rows, <usize>CHUNK, LINE, 32);
  scaleColumns(right, right, grown);
  scaleColumns(left, kT, against);
  for (let p: usize = 0; p < <usize>(cols >> 3); p++) {
    for (let r: usize = 0; r < <usize>rows; r += 4) {
      const at = dState + p * panelBytes + (r << 5);
      tile4<f32>(right + r * LINE, LINE, dOut + (p << 5), colBytes, height, at, 32, ending);
      tile4<f32>(left + r * LINE, LINE, dRight + (p << 5), colBytes, height, at, 32, ones);
    }
  }
}

function readGradient(op: usize, row: i32, n: i32, head: i32): void {
  const valueDim = int(op, 16);
  memory.fill(dOut, 0, <usize>CHUNK * colBytes);
  for (let t = 0; t < n; t++) {
    const from = ptr(op, 6) + (<usize>((row + t) * int(op, 18) + head * valueDim) << 2);
    memory.copy(dOut + <usize>t * colBytes, from, <usize>valueDim << 2);
  }
}

/** dR, from the last token to the first. */
function solveBack(n: i32, height: i32): void {
  memory.fill(pairsT, 0, <usize>CHUNK * LINE);
  for (let t = 0; t < n; t++) {
    for (let s = 0; s <= t; s++) {
      const at = <usize>t * LINE + (<usize>s << 2);
      store<f32>(pairsT + <usize>s * LINE + (<usize>t << 2), load<f32>(spans + at) * load<f32>(qk + at));
    }
  }
  for (let p: usize = 0; p < <usize>(cols >> 3); p++) {
    for (let t: usize = 0; t < <usize>n; t += 4) {
      const at = dRight + t * colBytes + (p << 5);
      tile4<f32>(k + t * rowBytes, rowBytes, dState + p * panelBytes, 32, rows, at, colBytes, 0);
      tile4<f32>(pairsT + t * LINE, LINE, dOut + (p << 5), colBytes, height, at, colBytes, toEnd + (t << 2));
    }
  }
  for (let t = n - 2; t >= 0; t--) {
    const at = <usize>t * colBytes;
    addRows(dRight + at, dRight + at + colBytes, n - 1 - t, inner + <usize>(t + 1) * LINE + (<usize>t << 2), LINE);
  }
}

/** dO Dᵀ ∘ E and W, their transposes, and what each pair of tokens gives to the decays between them. */
function pairs(n: i32, height: i32): void {
  for (let t: usize = 0; t < <usize>n; t += 4) {
    for (let s: usize = 0; s < <usize>CHUNK; s += 8) {
      const at = t * LINE + (s << 2);
      tile4<f32>(dOut + t * colBytes, colBytes, deltaT + (s << 2), LINE, cols, wq + at, LINE, 0);
      tile4<f32>(dRight + t * colBytes, colBytes, deltaT + (s << 2), LINE, cols, wk + at, LINE, 0);
    }
  }
  memory.fill(wqT, 0, <usize>CHUNK * LINE);
  memory.fill(both, 0, <usize>CHUNK * LINE);
  for (let t = 0; t < height; t++) {
    for (let s = 0; s < height; s++) {
      const at = <usize>t * LINE + (<usize>s << 2);
      if (s > t || t >= n) {
        store<f32>(wq + at, 0);
        continue;
      }
      const mirrored = <usize>s * LINE + (<usize>t << 2);
      const e = load<f32>(spans + at);
      const ofQ: f32 = load<f32>(wq + at) * e;
      store<f32>(wq + at, ofQ);
      store<f32>(wqT + mirrored, ofQ);
      if (s == t) continue;
      const ofK: f32 = -load<f32>(beta + (<usize>t << 2)) * e * load<f32>(wk + at);
      store<f32>(both + at, ofK);
      store<f32>(both + mirrored, ofK);
      store<f32>(crossings + at, ofQ * load<f32>(qk + at) + ofK * load<f32>(kk + at));
    }
  }
}

/** The parts of dq and dk that come through the states, and their parts in the gradient of g. */
function throughStates(n: i32, state: usize, delta: usize): void {
  for (let r: usize = 0; r < <usize>rows; r += 8) {
    for (let p: usize = 0; p < <usize>(cols >> 3); p++) {
      transpose(state + p * panelBytes + (r << 5), stateT + (p << 8), 8, 8, 32, 0);
      transpose(dState + p * panelBytes + (r << 5), dStateT + (p << 8), 8, 8, 32, 0);
    }
    for (let t: usize = 0; t < <usize>n; t += 4) {
      const at = t * rowBytes + (r << 2);
      tile4<f32>(dOut + t * colBytes, colBytes, stateT, 32, cols, dq + at, rowBytes, 0);
      tile4<f32>(dRight + t * colBytes, colBytes, stateT, 32, cols, dk + at, rowBytes, 0);
      tile4<f32>(delta + t * colBytes, colBytes, dStateT, 32, cols, dEnd + at, rowBytes, 0);
    }
  }
  for (let t = 0; t < n; t++) {
    const i = <usize>t << 2;
    const at = <usize>t * rowBytes;
    const up = v128.load32_splat(grown + i);
    const down = v128.load32_splat(against + i);
    const away = v128.load32_splat(toEnd + i);
    let from = f32x4.splat(0);
    let into = from;
    for (let j = at; j < at + rowBytes; j += 16) {
      const ofQ = f32x4.mul(up, v128.load(dq + j));
      const ofK = f32x4.mul(down, v128.load(dk + j));
      const ofEnd = f32x4.mul(away, v128.load(dEnd + j));
      from = madd(ofQ, v128.load(q + j), madd(ofK, v128.load(k + j), from));
      into = madd(ofEnd, v128.load(k + j), into);
      v128.store(dq + j, ofQ);
      v128.store(dk + j, f32x4.add(ofK, ofEnd));
    }
    store<f32>(fromState + i, sum(from));
    store<f32>(intoState + i, sum(into));
  }
}

/** `through`: the part of every g of the chunk by which the state before it reaches the one behind. */
function decayGradient(op: usize, row: i32, n: i32, head: i32, through: f32): void {
  for (let t = 0; t < n; t++) {
    let total = through;
    for (let i = t; i < n; i++) {
      total += load<f32>(fromState + (<usize>i << 2));
      // Pairs (i, s) with s < t, which earlier turns have added up in column t − 1.
      if (t > 0) {
        const at = crossings + <usize>i * LINE + (<usize>t << 2);
        if (t > 1) store<f32>(at - 4, load<f32>(at - 4) + load<f32>(at - 8));
        total += load<f32>(at - 4);
      }
    }
    for (let s = 0; s < t; s++) total += load<f32>(intoState + (<usize>s << 2));
    store<f32>(ptr(op, 10) + (<usize>((row + t) * int(op, 14) + head) << 2), total);
  }
}

/** Through the normalisation of queries and keys to their gradients. */
function finish(op: usize, row: i32, n: i32, keyHead: i32, accumulate: bool): void {
  const keyDim = int(op, 15);
  for (let t = 0; t < n; t++) {
    const from = <usize>((row + t) * int(op, 17) + keyHead * keyDim) << 2;
    const to = <usize>((row + t) * int(op, 19) + keyHead * keyDim) << 2;
    const at = <usize>t * rowBytes;
    normaliseBackward(ptr(op, 0) + from, dq + at, ptr(op, 7) + to, keyDim, float(op, 0), float(op, 1), accumulate);
    normaliseBackward(ptr(op, 1) + from, dk + at, ptr(op, 8) + to, keyDim, 1, float(op, 1), accumulate);
  }
}

/** dx (+)= gradient of x of y = factor · x / √(Σ x² + eps). */
function normaliseBackward(x: usize, dy: usize, dx: usize, n: i32, factor: f32, eps: f32, accumulate: bool): void {
  const bytes = <usize>n << 2;
  const length = squares(x, bytes) + eps;
  const scale: f32 = factor / sqrt<f32>(length);
  let total: f32 = 0;
  for (let i: usize = 0; i < bytes; i += 4) total += load<f32>(x + i) * load<f32>(dy + i);
  const pull: f32 = total / length;
  for (let i: usize = 0; i < bytes; i += 4) {
    const value: f32 = scale * (load<f32>(dy + i) - pull * load<f32>(x + i));
    store<f32>(dx + i, accumulate ? load<f32>(dx + i) + value : value);
  }
}

/** y += Σ_i factor_i · x_i over `count` rows of cols, whose factors lie `step` bytes apart. */
function addRows(y: usize, x: usize, count: i32, factors: usize, step: usize): void {
  for (let j: usize = 0; j < colBytes; j += 32) {
    let a = v128.load(y + j);
    let b = v128.load(y + j, 16);
    let from = x + j;
    let factor = factors;
    for (let i = 0; i < count; i++, from += colBytes, factor += step) {
      const f = v128.load32_splat(factor);
      a = madd(f, v128.load(from), a);
      b = madd(f, v128.load(from, 16), b);
    }
    v128.store(y + j, a);
    v128.store(y + j, b, 16);
  }
}

/** y = x · diag(factors) for x [rows, CHUNK]. */
function scaleColumns(y: usize, x: usize, factors: usize): void {
  for (let i: usize = 0; i < LINE; i += 16) {
    const f = v128.load(factors + i);
    for (let at = i; at < <usize>rows * LINE; at += LINE) v128.store(y + at, f32x4.mul(f, v128.load(x + at)));
  }
}

/** Of `bytes`, a multiple of 32. */
function dotRows(a: usize, b: usize, bytes: usize): f32 {
  let x = f32x4.splat(0);
  let y = x;
  for (let i: usize = 0; i < bytes; i += 32) {
    x = madd(v128.load(a + i), v128.load(b + i), x);
    y = madd(v128.load(a + i, 16), v128.load(b + i, 16), y);
  }
  return sum(f32x4.add(x, y));
}
