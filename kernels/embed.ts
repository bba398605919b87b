/** Rows of a table by id, as f32: the format's definition, one rounding at most (q4_k's subtraction). */
import { Held, Q4_0_BLOCK, Q4_K_BLOCK, Q6_K_BLOCK, Q8_0_BLOCK } from '../src/tensor/ops/layout-constants';
import { int, ptr } from './record';
import { loadBF16, loadF16 } from './simd';

/** [type, table, ids, out, rows, cols, stride]; a piece is one token. */
export function embed(op: usize, piece: i32, scratch: usize): void {
  const type = int(op, 0);
  const cols = int(op, 5);
  const id = load<u32>(ptr(op, 2) + (<usize>piece << 2));
  const out = ptr(op, 3) + ((<usize>piece * <usize>cols) << 2);
  if (id >= <u32>int(op, 4)) {
    memory.fill(out, 0, <usize>cols << 2);
    return;
  }
  const table = ptr(op, 1);
  const stride = <usize>int(op, 6);
  if (type == Held.f32) memory.copy(out, table + <usize>id * stride, stride);
  else if (type == Held.f16 || type == Held.bf16) halves(table + <usize>id * stride, out, cols, type, scratch);
  else {
    const panel = table + <usize>(id >> 4) * stride;
    const lane = <usize>(id & 15);
    if (type == Held.q8_0) q8(panel, lane, out, cols >> 5);
    else if (type == Held.q4_0) q4(panel, lane, out, cols >> 5);
    else if (type == Held.q4_k) q4k(panel, lane, out, cols >> 8);
    else q6k(panel, lane, out, cols >> 8);
  }
}

function halves(row: usize, out: usize, cols: i32, type: i32, scratch: usize): void {
  let i = 0;
  for (; i + 4 <= cols; i += 4) {
    v128.store(out, type == Held.f16 ? loadF16(row) : loadBF16(row));
    row += 8;
    out += 16;
  }
  // The end of an odd row may be the end of memory: read it through scratch.
  const rest = <usize>(cols - i);
  memory.copy(scratch, row, rest << 1);
  v128.store(scratch, type == Held.f16 ? loadF16(scratch) : loadBF16(scratch));
  memory.copy(out, scratch, rest << 2);
}

// @ts-ignore: decorator
@inline
function half(p: usize): f32 {
  const bits = <u32>load<i16>(p) << 13;
  return reinterpret<f32>(bits & 0x8fffe000) * reinterpret<f32>(0x77800000);
}

/** Stores d × (byte − offset) for the four bytes of a word; returns nothing. */
// @ts-ignore: decorator
@inline
function word(out: usize, bytes: u32, d: f32, offset: i32): void {
  const q = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(i32x4.splat(bytes)));
  v128.store(out, f32x4.mul(f32x4.splat(d), f32x4.convert_i32x4_s(i32x4.sub(q, i32x4.splat(offset)))));
}

function q8(block: usize, lane: usize, out: usize, blocks: i32): void {
  for (let b = 0; b < blocks; b++) {
    const d = half(block + (lane << 1));
    const q = block + 32 + (lane << 2);
    for (let j: usize = 0; j < 8; j++) {
      // Shifted by 128 the bytes are unsigned.
      word(out + (j << 4), load<u32>(q + (j << 6)) ^ 0x80808080, d, 128);
    }
    block += Q8_0_BLOCK;
    out += 128;
  }
}

function q4(block: usize, lane: usize, out: usize, blocks: i32): void {
  for (let b = 0; b < blocks; b++) {
    const d = half(block + (lane << 1));
    nibbles(block + 32 + (lane << 2), out, d, 8);
    block += Q4_0_BLOCK;
    out += 128;
  }
}

// @ts-ignore: decorator
@inline
function nibbles(q: usize, out: usize, d: f32, offset: i32): void {
  for (let j: usize = 0; j < 4; j++) {
    const bytes = load<u32>(q + (j << 6));
    word(out + (j << 4), bytes & 0x0f0f0f0f, d, offset);
    word(out + 64 + (j << 4), (bytes >> 4) & 0x0f0f0f0f, d, offset);
  }
}

function q4k(block: usize, lane: usize, out: usize, blocks: i32): void {
  for (let b = 0; b < blocks; b++) {
    const d = half(block + (lane << 1));
    const dmin = half(block + 32 + (lane << 1));
    for (let sub: usize = 0; sub < 8; sub++) {
      const at = block + 64 + sub * 288;
      nibbles(at + 32 + (lane << 2), out, d * <f32>load<u8>(at + lane), 0);
      const minimum = f32x4.splat(dmin * <f32>load<u8>(at + lane, 16));
      for (let i: usize = 0; i < 128; i += 16) v128.store(out + i, f32x4.sub(v128.load(out + i), minimum));
      out += 128;
    }
    block += Q4_K_BLOCK;
  }
}

function q6k(block: usize, lane: usize, out: usize, blocks: i32): void {
  for (let b = 0; b < blocks; b++) {
    const d = half(block + (lane << 1));
    for (let i: usize = 0; i < 8; i++) {
      const scales = block + 32 + (i << 5) + lane;
      const da = d * <f32>load<i8>(scales);
      const db = d * <f32>load<i8>(scales, 16);
      const at = block + 288 + i * 384 + (lane << 2);
      for (let j: usize = 0; j < 4; j++) {
        const low = load<u32>(at + (j << 6));
        const high = load<u32>(at + 256 + (j >> 1 << 6)) >> <u32>((j & 1) << 2);
        word(out + (j << 4), (low & 0x0f0f0f0f) | ((high & 0x03030303) << 4), da, 32);
        word(out + 64 + (j << 4), ((low >> 4) & 0x0f0f0f0f) | (((high >> 2) & 0x03030303) << 4), db, 32);
      }
      out += 128;
    }
    block += Q6_K_BLOCK;
  }
}
