/**
 * The gated delta rule on chunks of tokens (its contract stands in delta.ts). With b_t the sum of g within the chunk,
 *   δ_t = β_t (v_t − e^{b_t} S₀ᵀk_t − Σ_{s<t} e^{b_t−b_s} (k_t·k_s) δ_s)
 * is a triangular system whose right-hand side, solution, outputs and new state are small matrix products.
 * Every exponent is a sum of g ≤ 0, so nothing overflows.
 */
import { DELTA_BLOCK } from '../src/tensor/ops/delta-constants';
import { normalise } from './norm';
import { float, int, ptr } from './record';
import { exp, madd } from './simd';
import { tile4 } from './tile';

/** Tokens of a chunk. Longer ones do more arithmetic on pairs of tokens; 24 and 32 were slower. */
const CHUNK: i32 = 16;

/**
 * `tokens` tokens from row `from` of the deltaRule record `op` on some panels of one head, whose state is at `state`. A
 * short last chunk is padded to a multiple of four with rows of zeros, which change nothing. With `kept` (not 0) the panels
 * of the state after j · DELTA_BLOCK tokens are copied to kept + (j − 1) · keptStride, for j from 1 as long as tokens follow.
 */
export function chunks(
  op: usize, head: i32, keyHead: i32, firstPanel: i32, count: i32, from: i32, tokens: i32,
  state: usize, kept: usize, keptStride: usize, scratch: usize,
): void {
  const keyDim = int(op, 10);
  const valueDim = int(op, 11);
  const rows = (keyDim + 3) & ~3;
  const rowBytes = (<usize>rows) << 2;
  const line: usize = CHUNK << 2;
  const panelBytes = (<usize>rows) << 5;
  // Scratch, with C = CHUNK: K and Q [C, rows]; Kᵀ as panels [C / 8][rows][8], later as [rows, C]; KKᵀ and QKᵀ [C, C];
  // g, spans, e^b and β [C]; four times e^b of the end; four ones; δ and out [C, 8].
  const k = scratch;
  const q = k + <usize>CHUNK * rowBytes;
  const kt = q + <usize>CHUNK * rowBytes;
  const kk = kt + <usize>CHUNK * rowBytes;
  const qk = kk + <usize>CHUNK * line;
  const g = qk + <usize>CHUNK * line;
  const span = g + line;
  const grown = span + line;
  const beta = grown + line;
  const ending = beta + line;
  const ones = ending + 16;
  for (let i: usize = 0; i < 16; i += 4) store<f32>(ones + i, 1);
  const delta = ones + 16;
  const out = delta + <usize>CHUNK * 32;

  for (let first = 0; first < tokens; first += CHUNK) {
    const n = min(CHUNK, tokens - first);
    const height = <usize>((n + 3) & ~3);
    const row = from + first;
    if (kept && first && first % DELTA_BLOCK == 0) {
      memory.copy(kept + <usize>(first / DELTA_BLOCK - 1) * keptStride, state, <usize>count * panelBytes);
    }
    let sum: f32 = 0;
    for (let t = 0; t < <i32>height; t++) {
      const i = (<usize>t) << 2;
      const at = <usize>t * rowBytes;
      if (t < n) {
        const gate = (<usize>((row + t) * int(op, 9) + head)) << 2;
        const decay = load<f32>(ptr(op, 3) + gate);
        sum += decay;
        store<f32>(g + i, decay);
        store<f32>(beta + i, load<f32>(ptr(op, 4) + gate));
        const key = ptr(op, 1) + ((<usize>((row + t) * int(op, 13) + keyHead * keyDim)) << 2);
        const query = ptr(op, 0) + ((<usize>((row + t) * int(op, 12) + keyHead * keyDim)) << 2);
        normalise(key, k + at, keyDim, rows, 1, float(op, 1));
        normalise(query, q + at, keyDim, rows, float(op, 0), float(op, 1));
      } else {
        store<f32>(g + i, 0);
        store<f32>(beta + i, 0);
        memory.fill(k + at, 0, rowBytes);
        memory.fill(q + at, 0, rowBytes);
      }
      store<f32>(grown + i, sum);
    }
    for (let i: usize = 0; i < height << 2; i += 16) v128.store(grown + i, exp(v128.load(grown + i)));
    transpose(k, kt, rows, height, 32, rowBytes << 3);
    for (let s: usize = 0; s < height; s += 8) {
      const panel = kt + (s >> 3) * (rowBytes << 3);
      for (let t = s; t < height; t += 4) {
        tile4<f32>(k + t * rowBytes, rowBytes, panel, 32, rows, kk + t * line + (s << 2), line, 0);
        tile4<f32>(q + t * rowBytes, rowBytes, panel, 32, rows, qk + t * line + (s << 2), line, 0);
      }
    }
    decayPairs(kk, qk, g, beta, span, height);
    // Kᵀ with the decay from each token to the end of the chunk builds the new state.
    transpose(k, kt, rows, height, line, 32);
    for (let s: usize = 0; s < height << 2; s += 16) {
      const w = exp(v128.load(span + s));
      for (let i: usize = 0; i < <usize>rows; i++) {
        v128.store(kt + i * line + s, f32x4.mul(w, v128.load(kt + i * line + s)));
      }
    }
    const whole = exp(f32x4.splat(sum));
    v128.store(ending, whole);

    for (let panel = 0; panel < count; panel++) {
      const column = (firstPanel + panel) * 8;
      const width = (<usize>min(8, valueDim - column)) << 2;
      const s = state + <usize>panel * panelBytes;
      const v = ptr(op, 2) + ((<usize>(row * int(op, 14) + head * valueDim + column)) << 2);
      for (let t: usize = 0; t < height; t += 4) {
        tile4<f32>(k + t * rowBytes, rowBytes, s, 32, rows, delta + (t << 5), 32, 0);
        tile4<f32>(q + t * rowBytes, rowBytes, s, 32, rows, out + (t << 5), 32, 0);
      }
      rightSide(delta, v, (<usize>int(op, 14)) << 2, n, height, width, beta, grown);
      solve(delta, kk, ones, height);
      for (let t: usize = 0; t < height; t += 4) {
        tile4<f32>(qk + t * line, line, delta, 32, <i32>t + 4, out + (t << 5), 32, grown + (t << 2));
      }
      for (let i: usize = 0; i < <usize>rows; i += 4) {
        tile4<f32>(kt + i * line, line, delta, 32, <i32>height, s + (i << 5), 32, ending);
      }
      let target = ptr(op, 6) + ((<usize>(row * int(op, 15) + head * valueDim + column)) << 2);
      for (let t = 0; t < n; t++) {
        memory.copy(target, out + ((<usize>t) << 5), width);
        target += (<usize>int(op, 15)) << 2;
      }
    }
  }
}

/**
 * Turns k_t·k_s into −β_t e^{b_t − b_s} k_t·k_s below the diagonal and q_t·k_s into e^{b_t − b_s} q_t·k_s up to it; zero
 * elsewhere. `span` [C] follows b_t − b_s from row to row, because subtracting large sums would lose the small ones;
 * it ends with the way from each token to the end of the chunk.
 */
function decayPairs(kk: usize, qk: usize, g: usize, beta: usize, span: usize, height: usize): void {
  const line: usize = CHUNK << 2;
  memory.fill(span, 0, line);
  for (let t = 0; t < <i32>height; t++) {
    const row = <usize>t * line;
    const gt = v128.load32_splat(g + ((<usize>t) << 2));
    const factor = f32x4.neg(v128.load32_splat(beta + ((<usize>t) << 2)));
    for (let s = 0; s < <i32>height; s += 4) {
      const i = (<usize>s) << 2;
      const index = i32x4.add(i32x4.splat(s), i32x4(0, 1, 2, 3));
      const below = i32x4.lt_s(index, i32x4.splat(t));
      const upTo = i32x4.le_s(index, i32x4.splat(t));
      const b = v128.and(f32x4.add(v128.load(span + i), gt), below);
      v128.store(span + i, b);
      const w = exp(b);
      v128.store(kk + row + i, v128.and(f32x4.mul(f32x4.mul(factor, w), v128.load(kk + row + i)), below));
      v128.store(qk + row + i, v128.and(f32x4.mul(w, v128.load(qk + row + i)), upTo));
    }
  }
}

/** From S₀ᵀk_t to β_t (v_t − e^{b_t} S₀ᵀk_t), one panel wide. */
function rightSide(delta: usize, v: usize, vStride: usize, n: i32, height: usize, width: usize, beta: usize, grown: usize): void {
  for (let t: usize = 0; t < <usize>n; t++) {
    const row = delta + (t << 5);
    const bt = v128.load32_splat(beta + (t << 2));
    const e = v128.load32_splat(grown + (t << 2));
    if (width == 32) {
      v128.store(row, f32x4.mul(bt, f32x4.sub(v128.load(v), f32x4.mul(e, v128.load(row)))));
      v128.store(row, f32x4.mul(bt, f32x4.sub(v128.load(v, 16), f32x4.mul(e, v128.load(row, 16)))), 16);
    } else {
      for (let i: usize = 0; i < 32; i += 4) {
        const value: f32 = i < width ? load<f32>(v + i) : 0;
        store<f32>(row + i, f32x4.extract_lane(bt, 0) * (value - f32x4.extract_lane(e, 0) * load<f32>(row + i)));
      }
    }
    v += vStride;
  }
  memory.fill(delta + ((<usize>n) << 5), 0, (height - <usize>n) << 5);
}

/** δ ← (I − A)⁻¹ δ for a strictly lower triangular A in lines of CHUNK: four rows at a time, then within the four. */
function solve(delta: usize, a: usize, ones: usize, height: usize): void {
  const line: usize = CHUNK << 2;
  for (let t: usize = 0; t < height; t += 4) {
    const rows = delta + (t << 5);
    const block = a + t * line + (t << 2);
    if (t) tile4<f32>(a + t * line, line, delta, 32, <i32>t, rows, 32, ones);
    for (let half: usize = 0; half < 32; half += 16) {
      const p = rows + half;
      const d0 = v128.load(p);
      const d1 = madd(v128.load32_splat(block + line), d0, v128.load(p, 32));
      let d2 = madd(v128.load32_splat(block + line * 2), d0, v128.load(p, 64));
      d2 = madd(v128.load32_splat(block + line * 2, 4), d1, d2);
      let d3 = madd(v128.load32_splat(block + line * 3), d0, v128.load(p, 96));
      d3 = madd(v128.load32_splat(block + line * 3, 4), d1, d3);
      d3 = madd(v128.load32_splat(block + line * 3, 8), d2, d3);
      v128.store(p, d1, 32);
      v128.store(p, d2, 64);
      v128.store(p, d3, 96);
    }
  }
}

/** Kᵀ from K [height, rows]: eight tokens make a panel, whose rows lie `rowStride` bytes apart; panels lie `panelStride` apart. */
export function transpose(k: usize, kt: usize, rows: i32, height: usize, rowStride: usize, panelStride: usize): void {
  const bytes = <usize>rows << 2;
  for (let t: usize = 0; t < height; t += 4) {
    const from = k + t * bytes;
    let to = kt + (t >> 3) * panelStride + ((t & 4) << 2);
    for (let i: usize = 0; i < bytes; i += 16) {
      const a = v128.load(from + i);
      const b = v128.load(from + bytes + i);
      const c = v128.load(from + bytes * 2 + i);
      const d = v128.load(from + bytes * 3 + i);
      const ab = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
      const cd = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
      const ef = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
      const gh = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
      v128.store(to, i8x16.shuffle(ab, cd, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
      v128.store(to + rowStride, i8x16.shuffle(ab, cd, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
      v128.store(to + rowStride * 2, i8x16.shuffle(ef, gh, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
      v128.store(to + rowStride * 3, i8x16.shuffle(ef, gh, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
      to += rowStride << 2;
    }
  }
}
