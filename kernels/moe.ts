/** Mixture of experts: choosing experts, ordering tokens by expert, and adding the experts' answers up. */
import { float, int, ptr } from './record';
import { exp, madd, sum } from './simd';

/**
 * For every token the `topK` experts of the largest logits (the lower index wins a tie) and their softmax
 * probabilities, which `normalize` divides by their sum. Ints: logits, ids, weights, tokens, experts, topK, normalize,
 * tokens a piece. Float: factor on the weights.
 */
export function route(op: usize, piece: i32, scratch: usize): void {
  const experts = int(op, 4);
  const topK = int(op, 5);
  const per = int(op, 7);
  for (let t = piece * per; t < min((piece + 1) * per, int(op, 3)); t++) {
    const ids = ptr(op, 1) + (<usize>(t * topK) << 2);
    const weights = ptr(op, 2) + (<usize>(t * topK) << 2);
    memory.copy(scratch, ptr(op, 0) + (<usize>(t * experts) << 2), <usize>experts << 2);
    let top: f32 = 0;
    let all: f32 = 0;
    let chosen: f32 = 0;
    for (let slot = 0; slot < topK; slot++) {
      let best = 0;
      for (let e = 1; e < experts; e++) {
        if (load<f32>(scratch + (<usize>e << 2)) > load<f32>(scratch + (<usize>best << 2))) best = e;
      }
      const logit = load<f32>(scratch + (<usize>best << 2));
      if (slot == 0) {
        top = logit;
        all = sumPowers(scratch, experts, top);
      }
      const weight = power(logit - top);
      chosen += weight;
      store<i32>(ids + (<usize>slot << 2), best);
      store<f32>(weights + (<usize>slot << 2), weight);
      store<f32>(scratch + (<usize>best << 2), -f32.MAX_VALUE);
    }
    const scale = float(op, 0) / (int(op, 6) ? chosen : all);
    for (let slot: usize = 0; slot < <usize>topK; slot++) {
      store<f32>(weights + (slot << 2), load<f32>(weights + (slot << 2)) * scale);
    }
  }
}

/** Σ e^(x - top), four lanes at a time: short sums keep their roundings small. */
function sumPowers(x: usize, n: i32, top: f32): f32 {
  let lanes = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    lanes = f32x4.add(lanes, exp(f32x4.sub(v128.load(x), f32x4.splat(top))));
    x += 16;
  }
  let total = sum(lanes);
  for (; i < n; i++) {
    total += power(load<f32>(x) - top);
    x += 4;
  }
  return total;
}

// @ts-ignore: decorator
@inline
function power(x: f32): f32 {
  return f32x4.extract_lane(exp(f32x4.splat(x)), 0);
}

/**
 * Sorts the n = tokens · topK assignments by expert, in order of assignment within one. offsets [experts + 1]: where each
 * expert's rows begin; order [n]: assignment at a sorted place; inverse [n]: the place of an assignment.
 * Ints: ids, offsets, order, inverse, n, experts.
 */
export function gather(op: usize, piece: i32, scratch: usize): void {
  const ids = ptr(op, 0);
  const offsets = ptr(op, 1);
  const n = int(op, 4);
  const experts = int(op, 5);
  memory.fill(offsets, 0, <usize>(experts + 1) << 2);
  for (let i = 0; i < n; i++) {
    const place = offsets + (<usize>(load<i32>(ids + (<usize>i << 2)) + 1) << 2);
    store<i32>(place, load<i32>(place) + 1);
  }
  for (let e: usize = 4; e <= <usize>experts << 2; e += 4) {
    store<i32>(offsets + e, load<i32>(offsets + e) + load<i32>(offsets + e - 4));
  }
  memory.copy(scratch, offsets, <usize>experts << 2);
  for (let i = 0; i < n; i++) {
    const next = scratch + (<usize>load<i32>(ids + (<usize>i << 2)) << 2);
    const place = load<i32>(next);
    store<i32>(next, place + 1);
    store<i32>(ptr(op, 2) + (<usize>place << 2), i);
    store<i32>(ptr(op, 3) + (<usize>i << 2), place);
  }
}

/** Copies the token rows of x into sorted order. Ints: x, order, y, n, topK, cols, xStride, rows a piece. */
export function gatherRows(op: usize, piece: i32, scratch: usize): void {
  const bytes = <usize>int(op, 5) << 2;
  const per = int(op, 7);
  for (let i = piece * per; i < min((piece + 1) * per, int(op, 3)); i++) {
    const token = load<i32>(ptr(op, 1) + (<usize>i << 2)) / int(op, 4);
    memory.copy(ptr(op, 2) + <usize>i * bytes, ptr(op, 0) + (<usize>(token * int(op, 6)) << 2), bytes);
  }
}

/**
 * out[t] (+)= Σ_k weights[t][k] · y[inverse[t][k]], in the order of k.
 * Ints: y, inverse, weights, out, tokens, topK, cols, accumulate, columns a piece.
 */
export function combine(op: usize, piece: i32, scratch: usize): void {
  const topK = int(op, 5);
  const cols = int(op, 6);
  const per = int(op, 8);
  const across = (cols + per - 1) / per;
  const t = piece / across;
  const first = (piece % across) * per;
  const bytes = <usize>min(per, cols - first) << 2;
  const out = ptr(op, 3) + (<usize>(t * cols + first) << 2);
  if (!int(op, 7)) memory.fill(out, 0, bytes);
  for (let k = 0; k < topK; k++) {
    const slot = <usize>(t * topK + k) << 2;
    const y = ptr(op, 0) + (<usize>(load<i32>(ptr(op, 1) + slot) * cols + first) << 2);
    const weight = v128.load32_splat(ptr(op, 2) + slot);
    let i: usize = 0;
    for (; i + 16 <= bytes; i += 16) v128.store(out + i, madd(weight, v128.load(y + i), v128.load(out + i)));
    for (; i < bytes; i += 4) {
      v128.store32_lane(out + i, madd(weight, v128.load32_splat(y + i), v128.load32_splat(out + i)), 0);
    }
  }
}
