/**
 * The gated delta rule (Yang, Kautz, Hatamizadeh: "Gated Delta Networks", arXiv:2412.06464). For every value head
 *   S ← e^g S,  δ = β (v − Sᵀk),  S ← S + k δᵀ,  out = Sᵀq · scale,  with q and k normalised to length 1.
 * A few tokens go one by one through this recurrence, here; many go in chunks (delta-chunks.ts).
 *
 * The state holds, for every value head, panels of 8 value columns: [valueDim / 8][keyDim][8] (both padded: keyDim to a
 * multiple of 4, valueDim to one of 8). Columns never meet, so a piece is one head and some panels.
 */
import { chunks } from './delta-chunks';
import { normalise } from './norm';
import { float, int, ptr } from './record';
import { exp, madd, sigmoid } from './simd';

/**
 * g = −e^aLog · softplus(a + dtBias), beta = sigmoid(b).
 * Ints: a, b, aLog, dtBias, g, beta, tokens, heads, aStride, bStride, tokens a piece.
 */
export function deltaGates(op: usize, piece: i32, scratch: usize): void {
  const heads = int(op, 7);
  const per = int(op, 10);
  for (let t = piece * per; t < min((piece + 1) * per, int(op, 6)); t++) {
    for (let h = 0; h < heads; h++) {
      const i = (<usize>h) << 2;
      const out = (<usize>(t * heads + h)) << 2;
      const x: f32 = load<f32>(ptr(op, 0) + ((<usize>(t * int(op, 8))) << 2) + i) + load<f32>(ptr(op, 3) + i);
      // softplus(x) = max(x, 0) + log1p(e^-|x|); in double precision because large decays multiply its error.
      const softplus = Math.max(<f64>x, 0) + Math.log1p(Math.exp(-Math.abs(<f64>x)));
      store<f32>(ptr(op, 4) + out, <f32>(-Math.exp(<f64>load<f32>(ptr(op, 2) + i)) * softplus));
      const b = v128.load32_splat(ptr(op, 1) + ((<usize>(t * int(op, 9))) << 2) + i);
      v128.store32_lane(ptr(op, 5) + out, sigmoid(b), 0);
    }
  }
}

/**
 * Ints: q, k, v, g, beta, state, out, tokens, keyHeads, valueHeads, keyDim, valueDim, qStride, kStride, vStride, outStride,
 * tiled, panels a piece, chunked. Floats: scale, eps.
 */
export function deltaRule(op: usize, piece: i32, scratch: usize): void {
  const valueHeads = int(op, 9);
  const panels = (int(op, 11) + 7) >> 3;
  const per = int(op, 17);
  const parts = (panels + per - 1) / per;
  const head = piece / parts;
  const firstPanel = (piece % parts) * per;
  const count = min(per, panels - firstPanel);
  const keyHead = int(op, 16) ? head % int(op, 8) : head / (valueHeads / int(op, 8));
  if (int(op, 18)) {
    const panelBytes = <usize>((int(op, 10) + 3) & ~3) << 5;
    const state = ptr(op, 5) + <usize>(head * panels + firstPanel) * panelBytes;
    chunks(op, head, keyHead, firstPanel, count, 0, int(op, 7), state, 0, 0, scratch);
  } else {
    steps(op, head, keyHead, firstPanel, count, scratch);
  }
}

/** Token after token. */
function steps(op: usize, head: i32, keyHead: i32, firstPanel: i32, count: i32, scratch: usize): void {
  const keyDim = int(op, 10);
  const valueDim = int(op, 11);
  const rows = (keyDim + 3) & ~3;
  const panelBytes = (<usize>rows) << 5;
  const state = ptr(op, 5) + <usize>(head * ((valueDim + 7) >> 3) + firstPanel) * panelBytes;
  const k = scratch;
  const q = k + ((<usize>rows) << 2);
  const v = q + ((<usize>rows) << 2);
  const out = v + 32;
  for (let t = 0; t < int(op, 7); t++) {
    normalise(ptr(op, 1) + ((<usize>(t * int(op, 13) + keyHead * keyDim)) << 2), k, keyDim, rows, 1, float(op, 1));
    normalise(
      ptr(op, 0) + ((<usize>(t * int(op, 12) + keyHead * keyDim)) << 2),
      q,
      keyDim,
      rows,
      float(op, 0),
      float(op, 1),
    );
    const gate = (<usize>(t * int(op, 9) + head)) << 2;
    const decay = exp(v128.load32_splat(ptr(op, 3) + gate));
    const beta = v128.load32_splat(ptr(op, 4) + gate);
    const kq = f32x4.splat(dot(k, q, rows));
    for (let panel = 0; panel < count; panel++) {
      const column = (firstPanel + panel) * 8;
      const width = (<usize>min(8, valueDim - column)) << 2;
      const source = ptr(op, 2) + ((<usize>(t * int(op, 14) + head * valueDim + column)) << 2);
      const target = ptr(op, 6) + ((<usize>(t * int(op, 15) + head * valueDim + column)) << 2);
      if (width == 32) {
        step(state + <usize>panel * panelBytes, k, q, rows, source, target, decay, beta, kq);
      } else {
        memory.fill(v, 0, 32);
        memory.copy(v, source, width);
        step(state + <usize>panel * panelBytes, k, q, rows, v, out, decay, beta, kq);
        memory.copy(target, out, width);
      }
    }
  }
}

/** One token on one panel: reads the old state once for k and q together, since Sᵀq = e^g S₀ᵀq + (k·q) δ. */
function step(s: usize, k: usize, q: usize, rows: i32, v: usize, out: usize, decay: v128, beta: v128, kq: v128): void {
  let ka = f32x4.splat(0),
    kb = ka,
    kc = ka,
    kd = ka,
    qa = ka,
    qb = ka,
    qc = ka,
    qd = ka;
  const bytes = (<usize>rows) << 2;
  let p = s;
  for (let i: usize = 0; i < bytes; i += 8) {
    let x = v128.load32_splat(k + i);
    let y = v128.load32_splat(q + i);
    let left = v128.load(p);
    let right = v128.load(p, 16);
    ka = madd(x, left, ka);
    kb = madd(x, right, kb);
    qa = madd(y, left, qa);
    qb = madd(y, right, qb);
    x = v128.load32_splat(k + i, 4);
    y = v128.load32_splat(q + i, 4);
    left = v128.load(p, 32);
    right = v128.load(p, 48);
    kc = madd(x, left, kc);
    kd = madd(x, right, kd);
    qc = madd(y, left, qc);
    qd = madd(y, right, qd);
    p += 64;
  }
  const da = f32x4.mul(beta, f32x4.sub(v128.load(v), f32x4.mul(decay, f32x4.add(ka, kc))));
  const db = f32x4.mul(beta, f32x4.sub(v128.load(v, 16), f32x4.mul(decay, f32x4.add(kb, kd))));
  v128.store(out, madd(kq, da, f32x4.mul(decay, f32x4.add(qa, qc))));
  v128.store(out, madd(kq, db, f32x4.mul(decay, f32x4.add(qb, qd))), 16);
  p = s;
  for (let i: usize = 0; i < bytes; i += 4) {
    const x = v128.load32_splat(k + i);
    v128.store(p, madd(x, da, f32x4.mul(decay, v128.load(p))));
    v128.store(p, madd(x, db, f32x4.mul(decay, v128.load(p, 16))), 16);
    p += 32;
  }
}

function dot(a: usize, b: usize, n: i32): f32 {
  let total = f32x4.splat(0);
  for (let i: usize = 0; i < (<usize>n) << 2; i += 16) total = madd(v128.load(a + i), v128.load(b + i), total);
  return (
    f32x4.extract_lane(total, 0) +
    f32x4.extract_lane(total, 1) +
    f32x4.extract_lane(total, 2) +
    f32x4.extract_lane(total, 3)
  );
}
