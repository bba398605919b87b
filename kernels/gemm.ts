/**
 * C (+)= A · B for f32 A and C and B of any held type (src/tensor/ops/gemm.ts). A piece is a rectangle of C, or one of an
 * expert's, or of a part's, which is a range of k whose product goes to a place of its own. It passes over k in blocks: the block's part of B is packed in scratch as panels of 16 columns, [k][16]
 * (gemm-pack.ts, gemm-dequantize.ts), then all rows of A pass over it in groups, in machine code (native/product.ts) or
 * in WebAssembly (gemm-tile.ts). A transposed A is copied group by group, so that what a tile reads lies together.
 */
import { Native, ProductArgs } from '../src/tensor/native/kernels';
import { GEMM_DEPTH, GemmFlags, GemmInts, GemmSumInts } from '../src/tensor/ops/gemm-constants';
import { Held, PANEL } from '../src/tensor/ops/layout-constants';
import { dequantizeColumns, dequantizeRows } from './gemm-dequantize';
import { copyColumns, packColumns, packRows } from './gemm-pack';
import { tiles } from './gemm-tile';
import { callNative, hasNative, setArg } from './native';
import { int, ptr } from './record';

/** Rows of A that pass together: whole tiles, and with their block of k half of a second-level cache at most. */
const ROWS: i32 = 96;
/** Scratch: the arguments, a 1 for each row, a panel of C that is not whole, a group of A, the block of B. */
const ONES: usize = 128;
const TAIL: usize = 1024;
const PACKED_A: usize = TAIL + <usize>ROWS * 64;
const PACKED_B: usize = (PACKED_A + <usize>ROWS * GEMM_DEPTH * 4 + 4095) & ~4095;

export function gemm(op: usize, piece: i32, scratch: usize): void {
  const flags = int(op, GemmInts.flags);
  const colPieces = int(op, GemmInts.colPieces);
  const pieceRows = int(op, GemmInts.pieceRows);
  const offsets = ptr(op, GemmInts.offsets);
  const col = piece % colPieces * int(op, GemmInts.pieceCols);
  const cols = min(int(op, GemmInts.pieceCols), int(op, GemmInts.n) - col);
  let group = piece / colPieces;

  const aStride = ptr(op, GemmInts.aStride) << 2;
  const cStride = ptr(op, GemmInts.cStride) << 2;
  let a = ptr(op, GemmInts.a);
  let b = ptr(op, GemmInts.b);
  let c = ptr(op, GemmInts.c);
  let from = 0;
  let k = int(op, GemmInts.k);
  let row: i32;
  let rows: i32;
  if (offsets && !(flags & GemmFlags.expertsAlongK)) {
    // Number `group` among the experts' parts of at most pieceRows rows.
    let expert = 0;
    let first = load<i32>(offsets);
    for (;; expert++) {
      if (expert == int(op, GemmInts.experts)) return;
      const to = load<i32>(offsets + (<usize>expert << 2), 4);
      const parts = (to - first + pieceRows - 1) / pieceRows;
      row = first + group * pieceRows;
      rows = min(pieceRows, to - row);
      if (group < parts) break;
      group -= parts;
      first = to;
    }
    b += <usize>expert * (ptr(op, GemmInts.matrixStride) << 2);
  } else {
    row = group % int(op, GemmInts.rowPieces) * pieceRows;
    rows = min(pieceRows, int(op, GemmInts.m) - row);
    const part = group / int(op, GemmInts.rowPieces);
    if (offsets) {
      from = load<i32>(offsets + (<usize>part << 2));
      k = load<i32>(offsets + (<usize>part << 2), 4) - from;
    } else {
      from = part * int(op, GemmInts.partDepth);
      k = min(int(op, GemmInts.partDepth), k - from);
    }
    c += <usize>part * (ptr(op, GemmInts.matrixStride) << 2);
  }

  a += flags & GemmFlags.transposeA ? <usize>row << 2 : <usize>row * aStride;
  c += <usize>row * cStride + (<usize>col << 2);
  const accumulate = (flags & GemmFlags.accumulate) != 0;
  if (k == 0 && !accumulate) {
    for (let r = 0; r < rows; r++) memory.fill(c + <usize>r * cStride, 0, <usize>cols << 2);
  }
  const type = int(op, GemmInts.type);
  const bStride = ptr(op, GemmInts.bStride);
  for (let i: usize = 0; i < <usize>ROWS; i += 4) v128.store(scratch + ONES + (i << 2), f32x4.splat(1));

  // Blocks of about equal depth, whole ones of 32 columns of quantised types.
  const blocks = (k + GEMM_DEPTH - 1) / GEMM_DEPTH;
  const most = blocks == 0 ? 0 : ((k + blocks - 1) / blocks + 31) & -32;
  for (let at = from; at < from + k; at += most) {
    const depth = min(most, from + k - at);
    const next = <usize>(((depth + PANEL - 1) & -PANEL) + 1) << 6;
    packB(type, (flags & GemmFlags.transposeB) != 0, b, bStride, at, depth, col, cols, next, scratch);
    const add = accumulate || at > from;
    for (let r = 0; r < rows; r += ROWS) {
      const count = min(ROWS, rows - r);
      const to = c + <usize>r * cStride;
      if (flags & GemmFlags.transposeA) {
        const from = a + <usize>at * aStride + (<usize>r << 2);
        const packed = scratch + PACKED_A;
        const line = <usize>((count + 3) & -4) << 2;
        copyColumns(from, aStride, depth, count, packed, line, scratch);
        allColumns(true, packed, line, count, next, depth, to, cStride, cols, add, scratch);
      } else {
        const from = a + <usize>r * aStride + (<usize>at << 2);
        allColumns(false, from, aStride, count, next, depth, to, cStride, cols, add, scratch);
      }
    }
  }
}

/** Some rows of C (+)= the sum of the parts of a product, in order. */
export function gemmSum(op: usize, piece: i32, scratch: usize): void {
  const cols = <usize>int(op, GemmSumInts.cols) << 2;
  const next = cols * <usize>int(op, GemmSumInts.rows);
  const first = piece * int(op, GemmSumInts.rowsPerPiece);
  const end = min(first + int(op, GemmSumInts.rowsPerPiece), int(op, GemmSumInts.rows));
  const accumulate = int(op, GemmSumInts.accumulate) != 0;
  const cStride = ptr(op, GemmSumInts.cStride) << 2;
  let c = ptr(op, GemmSumInts.c) + <usize>first * cStride;
  let parts = ptr(op, GemmSumInts.parts) + <usize>first * cols;
  for (let row = first; row < end; row++) {
    const last = parts + next * <usize>int(op, GemmSumInts.count);
    let i: usize = 0;
    for (; i < (cols & ~15); i += 16) {
      let sum = v128.load(parts + i);
      for (let part = parts + next; part < last; part += next) sum = f32x4.add(sum, v128.load(part + i));
      v128.store(c + i, accumulate ? f32x4.add(v128.load(c + i), sum) : sum);
    }
    for (; i < cols; i += 4) {
      let sum = load<f32>(parts + i);
      for (let part = parts + next; part < last; part += next) sum += load<f32>(part + i);
      store<f32>(c + i, accumulate ? load<f32>(c + i) + sum : sum);
    }
    c += cStride;
    parts += cols;
  }
}

/** Rows `at` to `at + depth` and columns `col` to `col + cols` of B, as panels `next` bytes apart. */
function packB(
  type: i32, transposed: bool, b: usize, stride: usize, at: i32, depth: i32, col: i32, cols: i32, next: usize,
  scratch: usize,
): void {
  const to = scratch + PACKED_B;
  if (type > Held.bf16) {
    if (transposed) dequantizeRows(type, b + <usize>(col / PANEL) * stride, stride, at, depth, cols, to, next);
    else dequantizeColumns(type, b + <usize>(at / PANEL) * stride, stride, col, cols, depth, to, next);
    return;
  }
  const shift: usize = type == Held.f32 ? 2 : 1;
  stride <<= shift;
  if (transposed) packRows(type, b + <usize>col * stride + (<usize>at << shift), stride, cols, depth, to, next, scratch);
  else packColumns(type, b + <usize>at * stride + (<usize>col << shift), stride, depth, cols, to, next, scratch);
}

/** A group of rows of A × the packed block. A last panel that is not whole goes by way of scratch. */
function allColumns(
  transposed: bool, a: usize, aStride: usize, rows: i32, next: usize, depth: i32, c: usize, cStride: usize,
  cols: i32, add: bool, scratch: usize,
): void {
  const b = scratch + PACKED_B;
  const whole = cols / PANEL;
  if (whole > 0) product(transposed, a, aStride, rows, b, next, whole, depth, c, cStride, add, scratch);
  const rest = <usize>(cols - whole * PANEL) << 2;
  if (rest == 0) return;
  const tail = scratch + TAIL;
  product(transposed, a, aStride, rows, b + <usize>whole * next, next, 1, depth, tail, 64, false, scratch);
  let to = c + (<usize>whole << 6);
  for (let r = 0; r < rows; r++) {
    const from = tail + (<usize>r << 6);
    for (let i: usize = 0; i < rest; i += 4) {
      store<f32>(to + i, add ? load<f32>(to + i) + load<f32>(from + i) : load<f32>(from + i));
    }
    to += cStride;
  }
}

function product(
  transposed: bool, a: usize, aStride: usize, rows: i32, b: usize, next: usize, panels: i32, depth: i32,
  c: usize, cStride: usize, add: bool, scratch: usize,
): void {
  const kernel = transposed ? Native.productTransposed : Native.product;
  if (!hasNative(kernel)) {
    tiles(transposed, a, aStride, rows, b, next, panels, depth, c, cStride, add);
    return;
  }
  setArg(scratch, ProductArgs.a, a);
  setArg(scratch, ProductArgs.aStride, aStride);
  setArg(scratch, ProductArgs.rows, rows);
  setArg(scratch, ProductArgs.b, b);
  setArg(scratch, ProductArgs.bNext, next);
  setArg(scratch, ProductArgs.panels, panels);
  setArg(scratch, ProductArgs.k, depth);
  setArg(scratch, ProductArgs.c, c);
  setArg(scratch, ProductArgs.cStride, cStride);
  setArg(scratch, ProductArgs.scales, add ? scratch + ONES : 0);
  callNative(kernel, scratch);
}
