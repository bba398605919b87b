/** Gradients of a mixture of experts (moe.ts). An assignment is the pair (token, slot), numbered token · topK + slot. */
import { float, int, ptr } from './record';
import { exp, madd, sum } from './simd';

/**
 * dWeights[t][k] = dOut[t] · y[inverse[t][k]]; dy[inverse[t][k]] = weights[t][k] · dOut[t].
 * Ints: y, inverse, weights, dOut, dy, dWeights, tokens, topK, cols, dOutStride, tokens a piece.
 */
export function combineBackward(op: usize, piece: i32, scratch: usize): void {
  const topK = int(op, 7);
  const bytes = <usize>int(op, 8) << 2;
  const per = int(op, 10);
  for (let t = piece * per; t < min((piece + 1) * per, int(op, 6)); t++) {
    const dOut = ptr(op, 3) + (<usize>t * <usize>int(op, 9) << 2);
    for (let k = 0; k < topK; k++) {
      const slot = <usize>(t * topK + k) << 2;
      const row = <usize>load<u32>(ptr(op, 1) + slot) * bytes;
      const y = ptr(op, 0) + row;
      const dy = ptr(op, 4) + row;
      const weight = v128.load32_splat(ptr(op, 2) + slot);
      let lanes = f32x4.splat(0);
      let i: usize = 0;
      for (; i + 16 <= bytes; i += 16) {
        const gradient = v128.load(dOut + i);
        lanes = madd(gradient, v128.load(y + i), lanes);
        v128.store(dy + i, f32x4.mul(weight, gradient));
      }
      let dot = sum(lanes);
      for (; i < bytes; i += 4) {
        const gradient = load<f32>(dOut + i);
        dot += gradient * load<f32>(y + i);
        store<f32>(dy + i, gradient * f32x4.extract_lane(weight, 0));
      }
      store<f32>(ptr(op, 5) + slot, dot);
    }
  }
}

/**
 * dLogits[t][e] = w_e · (dw_e − m) for the chosen experts. Normalised weights are a softmax over the chosen alone:
 * m = Σ w dw / scale, and the others get 0. Otherwise all experts shared the softmax: m = 0, and all lose p_e · Σ w dw.
 * Ints: logits, ids, weights, dWeights, dLogits, tokens, experts, topK, normalize, tokens a piece. Float: scale.
 */
export function routeBackward(op: usize, piece: i32, scratch: usize): void {
  const experts = int(op, 6);
  const topK = int(op, 7);
  const normalize = int(op, 8) != 0;
  const per = int(op, 9);
  const bytes = <usize>experts << 2;
  for (let t = piece * per; t < min((piece + 1) * per, int(op, 5)); t++) {
    const slots = <usize>(t * topK) << 2;
    const weights = ptr(op, 2) + slots;
    const dWeights = ptr(op, 3) + slots;
    const dLogits = ptr(op, 4) + <usize>t * bytes;
    let total: f32 = 0;
    for (let k: usize = 0; k < <usize>topK << 2; k += 4) total += load<f32>(weights + k) * load<f32>(dWeights + k);
    if (normalize) memory.fill(dLogits, 0, bytes);
    else softmax(ptr(op, 0) + <usize>t * bytes, dLogits, experts, -total);
    const mean = normalize ? total / float(op, 0) : 0;
    for (let k: usize = 0; k < <usize>topK << 2; k += 4) {
      const at = dLogits + (<usize>load<u32>(ptr(op, 1) + slots + k) << 2);
      store<f32>(at, load<f32>(at) + load<f32>(weights + k) * (load<f32>(dWeights + k) - mean));
    }
  }
}

/** y = factor · softmax(x). */
function softmax(x: usize, y: usize, n: i32, factor: f32): void {
  const end = <usize>n << 2;
  let top = load<f32>(x);
  for (let i: usize = 4; i < end; i += 4) top = max(top, load<f32>(x + i));
  let total: f32 = 0;
  let i: usize = 0;
  let lanes = f32x4.splat(0);
  for (; i + 16 <= end; i += 16) {
    const power = exp(f32x4.sub(v128.load(x + i), f32x4.splat(top)));
    v128.store(y + i, power);
    lanes = f32x4.add(lanes, power);
  }
  total = sum(lanes);
  for (; i < end; i += 4) {
    const power = f32x4.extract_lane(exp(f32x4.splat(load<f32>(x + i) - top)), 0);
    store<f32>(y + i, power);
    total += power;
  }
  const scale = factor / total;
  for (i = 0; i < end; i += 4) store<f32>(y + i, load<f32>(y + i) * scale);
}

/**
 * dx[t] += Σ_k dxs[inverse[t][k]], in the order of k.
 * Ints: dxs, inverse, dx, tokens, topK, cols, dxStride, columns a piece, tokens a piece.
 */
export function gatherBackward(op: usize, piece: i32, scratch: usize): void {
  const topK = int(op, 4);
  const cols = int(op, 5);
  const per = int(op, 7);
  const rows = int(op, 8);
  const across = (cols + per - 1) / per;
  const first = piece % across * per;
  const bytes = <usize>min(per, cols - first) << 2;
  const from = piece / across * rows;
  for (let t = from; t < min(from + rows, int(op, 3)); t++) {
    const dx = ptr(op, 2) + (<usize>t * <usize>int(op, 6) + <usize>first << 2);
    for (let k = 0; k < topK; k++) {
      const place = <usize>load<u32>(ptr(op, 1) + (<usize>(t * topK + k) << 2));
      const dxs = ptr(op, 0) + (place * <usize>cols + <usize>first << 2);
      if (k == 0 && !int(op, 9)) {
        memory.copy(dx, dxs, bytes);
        continue;
      }
      let i: usize = 0;
      for (; i + 16 <= bytes; i += 16) v128.store(dx + i, f32x4.add(v128.load(dx + i), v128.load(dxs + i)));
      for (; i < bytes; i += 4) store<f32>(dx + i, load<f32>(dx + i) + load<f32>(dxs + i));
    }
  }
}
