/**
 * The layout of the KV cache and appending to it. Every head owns `capacity` positions of `depth` values (the head's
 * dimension, padded with zeros), both multiples of 16, cut into panels of 16 columns as tile.ts reads them. Of keys the
 * columns are positions: [position / 16][depth][16]. Of values they are dimensions: [depth / 16][position][16].
 */
import { KV_PANEL, Kv, Run, StoreKV } from '../src/tensor/ops/kv-constants';
import { int, ptr } from './record';
import { storeLow16, toF16 } from './simd';

/** A head's dimension as the cache pads it. */
// @ts-ignore: decorator
@inline
export function paddedDepth(dim: i32): i32 {
  return (dim + KV_PANEL - 1) & -KV_PANEL;
}

/** Bytes before a head's keys (or values), and log2 of an element's size. */
// @ts-ignore: decorator
@inline
export function headOffset(head: i32, capacity: i32, depth: i32, shift: usize): usize {
  return (<usize>head * <usize>capacity * <usize>depth) << shift;
}

/** A piece is some rows of the step, whichever runs they belong to. */
export function storeKV(op: usize, piece: i32, scratch: usize): void {
  const first = piece * int(op, StoreKV.rowsPerPiece);
  const last = first + int(op, StoreKV.rowsPerPiece);
  let run = ptr(op, StoreKV.table);
  for (let i = int(op, StoreKV.runs); i > 0; i--) {
    const start = load<i32>(run, Run.row << 2);
    const end = min(last, start + load<i32>(run, Run.rows << 2));
    const slot = load<u32>(run, Run.slot << 2) * ptr(op, StoreKV.slotBytes);
    for (let row = max(first, start); row < end; row++) {
      storeRow(op, row, load<i32>(run, Run.position << 2) + row - start, slot);
    }
    run += Run.size << 2;
  }
}

function storeRow(op: usize, row: i32, position: i32, slot: usize): void {
  const half = int(op, StoreKV.type) == Kv.f16;
  const shift: usize = half ? 1 : 2;
  const dim = int(op, StoreKV.headDim);
  const depth = paddedDepth(dim);
  const capacity = int(op, StoreKV.capacity);
  let k = ptr(op, StoreKV.k) + (<usize>(row * int(op, StoreKV.kStride)) << 2);
  let v = ptr(op, StoreKV.v) + (<usize>(row * int(op, StoreKV.vStride)) << 2);
  for (let head = 0; head < int(op, StoreKV.heads); head++) {
    const start = slot + headOffset(head, capacity, depth, shift);
    const column = <usize>((position & -KV_PANEL) * depth + (position & (KV_PANEL - 1)));
    const keys = ptr(op, StoreKV.keys) + start + (column << shift);
    if (half) keyF16(k, keys, dim);
    else for (let i: usize = 0; i < <usize>dim; i++) store<f32>(keys + (i << 6), load<f32>(k + (i << 2)));

    const values = ptr(op, StoreKV.values) + start;
    for (let d = 0; d < dim; d += KV_PANEL) {
      const to = values + (<usize>(d * capacity + position * KV_PANEL) << shift);
      const n = min(KV_PANEL, dim - d);
      if (n < KV_PANEL) memory.fill(to, 0, <usize>KV_PANEL << shift);
      if (half) valueF16(v + (<usize>d << 2), to, n);
      else memory.copy(to, v + (<usize>d << 2), <usize>n << 2);
    }
    k += <usize>dim << 2;
    v += <usize>dim << 2;
  }
}

// @ts-ignore: decorator
@inline
function keyF16(src: usize, dst: usize, dim: i32): void {
  let i = 0;
  for (; i + 4 <= dim; i += 4) {
    const h = toF16(v128.load(src));
    v128.store16_lane(dst, h, 0);
    v128.store16_lane(dst, h, 2, 32);
    v128.store16_lane(dst, h, 4, 64);
    v128.store16_lane(dst, h, 6, 96);
    src += 16;
    dst += 128;
  }
  for (; i < dim; i++) {
    v128.store16_lane(dst, toF16(v128.load32_splat(src)), 0);
    src += 4;
    dst += 32;
  }
}

// @ts-ignore: decorator
@inline
function valueF16(src: usize, dst: usize, n: i32): void {
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    storeLow16(dst, toF16(v128.load(src)));
    src += 16;
    dst += 8;
  }
  for (; i < n; i++) {
    v128.store16_lane(dst, toF16(v128.load32_splat(src)), 0);
    src += 4;
    dst += 2;
  }
}
