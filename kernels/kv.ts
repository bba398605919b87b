/**
 * The layout of the KV cache and appending to it. A sequence's positions lie in pages of KV_PAGE, listed in its run. A
 * page holds the keys of all heads, then their values. In it a head owns KV_PAGE positions of `depth` values (the head's
 * dimension, padded with zeros), both multiples of 16, cut into panels of 16 columns as tile.ts reads them. Of keys the
 * columns are positions: [position / 16][depth][16]. Of values they are dimensions: [depth / 16][position][16].
 * The 8-bit cache has a layout of its own: kv-int8.ts.
 */
import { KeyArgs, Native, ValueArgs } from '../src/tensor/native/kernels';
import { KV_BLOCK, KV_PAGE, KV_PANEL, Kv, Run, StoreKV } from '../src/tensor/ops/kv-constants';
import { Q8_0_BLOCK } from '../src/tensor/ops/layout-constants';
import { headBytes8, storeKey8, storeValue8 } from './kv-int8';
import { callNative, hasNative, setArg } from './native';
import { int, ptr } from './record';
import { storeLow16, toF16 } from './simd';

/** A head's dimension as the cache pads it. */
// @ts-ignore: decorator
@inline
export function paddedDepth(type: i32, dim: i32): i32 {
  const unit = type == Kv.int8 ? KV_BLOCK : KV_PANEL;
  return (dim + unit - 1) & -unit;
}

/** Bytes of a head's keys (or values) in a page. */
// @ts-ignore: decorator
@inline
export function headBytes(type: i32, depth: i32): usize {
  if (type == Kv.int8) return headBytes8(depth);
  return <usize>(KV_PAGE * depth) << (type == Kv.f16 ? 1 : 2);
}

/** Bytes from a panel of a head's values in a page to the next. */
// @ts-ignore: decorator
@inline
export function valuePanelBytes(type: i32): usize {
  if (type == Kv.int8) return (KV_PAGE / KV_PANEL) * Q8_0_BLOCK;
  return (KV_PAGE * KV_PANEL) << (type == Kv.f16 ? 1 : 2);
}

/** The page of a run's sequence that holds `position`; page 0 of the layer is at `first`. */
// @ts-ignore: decorator
@inline
export function pageAt(run: usize, position: i32, first: usize, pageBytes: usize): usize {
  const list = run + <usize>load<u32>(run, Run.pages << 2);
  return first + <usize>load<u32>(list + (<usize>(position / KV_PAGE) << 2)) * pageBytes;
}

/** A piece is some rows of the step, whichever runs they belong to. */
export function storeKV(op: usize, piece: i32, scratch: usize): void {
  const first = piece * int(op, StoreKV.rowsPerPiece);
  const last = first + int(op, StoreKV.rowsPerPiece);
  let run = ptr(op, StoreKV.table);
  for (let i = int(op, StoreKV.runs); i > 0; i--) {
    const start = load<i32>(run, Run.row << 2);
    const end = min(last, start + load<i32>(run, Run.rows << 2));
    const position = load<i32>(run, Run.position << 2) - start;
    let row = max(first, start);
    while (row < end) {
      const at = (position + row) % KV_PAGE;
      const next = min(end, row + KV_PAGE - at);
      const page = pageAt(run, position + row, ptr(op, StoreKV.pages), ptr(op, StoreKV.pageBytes));
      if (canStoreNative(op)) storeNative(op, row, next, at, page, scratch);
      else for (let i = row; i < next; i++) storeRow(op, i, at + i - row, page, scratch);
      row = next;
    }
    run += Run.size << 2;
  }
}

/** `position` counts from the page's first. */
function storeRow(op: usize, row: i32, position: i32, page: usize, scratch: usize): void {
  const type = int(op, StoreKV.type);
  const half = type == Kv.f16;
  const shift: usize = half ? 1 : 2;
  const dim = int(op, StoreKV.headDim);
  const depth = paddedDepth(type, dim);
  const bytes = headBytes(type, depth);
  const column = <usize>((position & -KV_PANEL) * depth + (position & (KV_PANEL - 1)));
  let k = ptr(op, StoreKV.k) + (<usize>(row * int(op, StoreKV.kStride)) << 2);
  let v = ptr(op, StoreKV.v) + (<usize>(row * int(op, StoreKV.vStride)) << 2);
  for (let head = 0; head < int(op, StoreKV.heads); head++) {
    const keys = page + <usize>head * bytes;
    const values = keys + (ptr(op, StoreKV.pageBytes) >> 1);
    if (type == Kv.int8) {
      storeKey8(k, keys, position, dim, scratch);
      storeValue8(v, values, position, dim, scratch);
    } else {
      storeKey(k, keys + (column << shift), dim, half);
      for (let d = 0; d < dim; d += KV_PANEL) {
        const to = values + (<usize>(d * KV_PAGE + position * KV_PANEL) << shift);
        storeValues(v + (<usize>d << 2), to, min(KV_PANEL, dim - d), half);
      }
    }
    k += <usize>dim << 2;
    v += <usize>dim << 2;
  }
}

function canStoreNative(op: usize): bool {
  const dim = int(op, StoreKV.headDim);
  return int(op, StoreKV.type) == Kv.f16 && dim > 0 && dim % KV_PANEL == 0 && hasNative(Native.storeValues);
}

/** Rows of one page in machine code, but for keys of less than a panel: those are columns of single numbers. */
function storeNative(op: usize, row: i32, end: i32, position: i32, page: usize, args: usize): void {
  const dim = int(op, StoreKV.headDim);
  const heads = int(op, StoreKV.heads);
  const bytes = headBytes(Kv.f16, dim);
  const values = page + (ptr(op, StoreKV.pageBytes) >> 1);
  const vStride = <usize>int(op, StoreKV.vStride) << 2;
  setArg(args, ValueArgs.v, ptr(op, StoreKV.v) + <usize>row * vStride);
  setArg(args, ValueArgs.stride, vStride);
  setArg(args, ValueArgs.rows, end - row);
  setArg(args, ValueArgs.heads, heads);
  setArg(args, ValueArgs.headDim, dim);
  setArg(args, ValueArgs.values, values + <usize>(position * (KV_PANEL << 1)));
  setArg(args, ValueArgs.headBytes, bytes);
  setArg(args, ValueArgs.panelBytes, valuePanelBytes(Kv.f16));
  callNative(Native.storeValues, args);

  const kStride = <usize>int(op, StoreKV.kStride) << 2;
  setArg(args, KeyArgs.stride, kStride);
  setArg(args, KeyArgs.heads, heads);
  setArg(args, KeyArgs.headDim, dim);
  setArg(args, KeyArgs.headBytes, bytes);
  while (row < end) {
    let k = ptr(op, StoreKV.k) + <usize>row * kStride;
    let to = page + (<usize>((position & -KV_PANEL) * dim + (position & (KV_PANEL - 1))) << 1);
    let rows = 1;
    if (position % KV_PANEL == 0 && end - row >= KV_PANEL) {
      setArg(args, KeyArgs.k, k);
      setArg(args, KeyArgs.keys, to);
      callNative(Native.storeKeys, args);
      rows = KV_PANEL;
    } else {
      for (let head = 0; head < heads; head++) {
        keyF16(k, to, dim);
        k += <usize>dim << 2;
        to += bytes;
      }
    }
    row += rows;
    position += rows;
  }
}

function storeKey(src: usize, dst: usize, dim: i32, half: bool): void {
  if (half) keyF16(src, dst, dim);
  else for (let i: usize = 0; i < <usize>dim; i++) store<f32>(dst + (i << 6), load<f32>(src + (i << 2)));
}

function storeValues(src: usize, dst: usize, n: i32, half: bool): void {
  if (n < KV_PANEL) memory.fill(dst, 0, half ? KV_PANEL << 1 : KV_PANEL << 2);
  if (half) valueF16(src, dst, n);
  else memory.copy(dst, src, <usize>n << 2);
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
