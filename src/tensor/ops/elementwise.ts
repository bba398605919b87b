/** Elementwise operations on f32. Pointers are byte addresses, strides and sizes count elements. */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { columnsPerPiece, rectangles, rowsPerPiece } from './pieces.js';
import type { Result } from './quantize.js';

const COPY_BYTES = 1 << 18;
const CHEAP = 1 << 16;
const WITH_EXP = 1 << 13;

/** dst = src, which must not overlap. */
export function copy(p: Program, { src, dst, bytes }: { src: number; dst: number; bytes: number }): void {
  if (bytes > 0) p.emit(Op.copy, Math.ceil(bytes / COPY_BYTES), [src, dst, bytes, COPY_BYTES]);
}

/** y = a + b over n elements; y may be a or b. */
export function add(p: Program, { a, b, y, n }: { a: number; b: number; y: number; n: number }): void {
  const per = columnsPerPiece(n, CHEAP);
  p.emit(Op.add, Math.ceil(n / per), [a, b, y, n, per]);
}

/** y is [tokens, n], contiguous. */
export interface Swiglu extends Result {
  gate: number;
  up: number;
  tokens: number;
  n: number;
  gateStride?: number;
  upStride?: number;
}

/** y = silu(gate) · up. */
export function swiglu(p: Program, o: Swiglu): void {
  const { gate, up, y = 0, tokens, n, gateStride = n, upStride = n, quantized = 0, bits = 8 } = o;
  const cut = rectangles(tokens, n, WITH_EXP);
  const ints = [gate, up, y, tokens, n, gateStride, upStride, cut.rows, cut.cols, quantized, bits];
  p.emit(Op.swiglu, cut.pieces, ints);
}

/** y may be x. */
export interface SigmoidGate extends Result {
  x: number;
  gate: number;
  rows: number;
  /** Columns of one group; x and y hold `groups` groups side by side. */
  cols: number;
  groups?: number;
  xStride?: number;
  yStride?: number;
  /** From one row's gates to the next. */
  gateStride?: number;
  /** From one group's gates to the next: 2 · cols where gates lie interleaved with queries. */
  gateGroupStride?: number;
  /** One gate a row (of each group) instead of one an element. */
  broadcast?: boolean;
}

/** y = x · sigmoid(gate) over [rows, groups, cols]. */
export function sigmoidGate(p: Program, o: SigmoidGate): void {
  const { x, gate, y = 0, rows, cols, groups = 1, broadcast = false, quantized = 0, bits = 8 } = o;
  const width = groups * cols;
  const gateGroupStride = o.gateGroupStride ?? (broadcast ? 1 : cols);
  const per = rowsPerPiece(rows, width, WITH_EXP);
  p.emit(Op.sigmoidGate, Math.ceil(rows / per), [
    x,
    gate,
    y,
    rows,
    groups,
    cols,
    o.xStride ?? width,
    o.gateStride ?? groups * gateGroupStride,
    gateGroupStride,
    o.yStride ?? width,
    broadcast ? 1 : 0,
    per,
    quantized,
    bits,
  ]);
}
