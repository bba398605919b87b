/** Sums over rows of a matrix and over squares of a vector: gradients of what all rows share, and norms. */
import { int, ptr } from './record';
import { lanes, madd, putLanes, sum } from './simd';

/** Elements whose squares are added in f32 before they join the sum in f64. */
const SQUARES: usize = 4096;

/**
 * y[block, c] (+)= Σ_r a[r, c], or Σ_r a[r, c] · b[r, c], over the rows of a block.
 * Ints: a, b (0: none), y, rows, cols, aStride, bStride, rows a block, columns a piece, accumulate.
 */
export function sumColumns(op: usize, piece: i32, scratch: usize): void {
  const cols = int(op, 4);
  const rowsPer = int(op, 7);
  const colsPer = int(op, 8);
  const across = (cols + colsPer - 1) / colsPer;
  const block = piece / across;
  const firstCol = (piece % across) * colsPer;
  const bytes = <usize>min(colsPer, cols - firstCol) << 2;
  const lastRow = min((block + 1) * rowsPer, int(op, 3));
  const y = ptr(op, 2) + (<usize>(block * cols + firstCol) << 2);
  const aStep = ptr(op, 5) << 2;
  const bStep = ptr(op, 6) << 2;
  memory.fill(scratch, 0, bytes);
  let row = block * rowsPer;
  let a = ptr(op, 0) + (<usize>(row * int(op, 5) + firstCol) << 2);
  let b = ptr(op, 1);
  if (b) {
    b += <usize>(row * int(op, 6) + firstCol) << 2;
    for (; row < lastRow; row++, a += aStep, b += bStep) addProducts(scratch, a, b, bytes);
  } else {
    for (; row + 4 <= lastRow; row += 4, a += aStep << 2) addFour(scratch, a, aStep, bytes);
    for (; row < lastRow; row++, a += aStep) addRow(scratch, a, bytes);
  }
  if (int(op, 9)) addRow(y, scratch, bytes);
  else memory.copy(y, scratch, bytes);
}

/** y += x. */
export function addRow(y: usize, x: usize, bytes: usize): void {
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(y + i, f32x4.add(v128.load(y + i), v128.load(x + i)));
  for (; i < bytes; i += 4) store<f32>(y + i, load<f32>(y + i) + load<f32>(x + i));
}

/** y += the sum of four rows: y is read and written once for all of them. */
function addFour(y: usize, x: usize, step: usize, bytes: usize): void {
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) four(y + i, x + i, step, true);
  for (; i < bytes; i += 4) four(y + i, x + i, step, false);
}

// @ts-ignore: decorator
@inline
function four(y: usize, x: usize, step: usize, whole: bool): void {
  const left = f32x4.add(lanes(x, whole), lanes(x + step, whole));
  const right = f32x4.add(lanes(x + 2 * step, whole), lanes(x + 3 * step, whole));
  putLanes(y, f32x4.add(lanes(y, whole), f32x4.add(left, right)), whole);
}

function addProducts(y: usize, a: usize, b: usize, bytes: usize): void {
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(y + i, madd(v128.load(a + i), v128.load(b + i), v128.load(y + i)));
  for (; i < bytes; i += 4) putLanes(y + i, madd(lanes(a + i, false), lanes(b + i, false), lanes(y + i, false)), false);
}

/** out[piece] = Σ x², in f64. Ints: x, out, n, elements a piece. */
export function sumSquares(op: usize, piece: i32, scratch: usize): void {
  const per = int(op, 3);
  const start = piece * per;
  const bytes = <usize>min(per, int(op, 2) - start) << 2;
  const x = ptr(op, 0) + (<usize>start << 2);
  let total: f64 = 0;
  for (let i: usize = 0; i < bytes; i += SQUARES << 2) total += squares(x + i, min(SQUARES << 2, bytes - i));
  store<f64>(ptr(op, 1) + (<usize>piece << 3), total);
}

/** Σ x² over `bytes` of f32: four accumulators of four lanes. */
export function squares(x: usize, bytes: usize): f32 {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  let i: usize = 0;
  for (; i + 64 <= bytes; i += 64) {
    const v0 = v128.load(x + i);
    const v1 = v128.load(x + i, 16);
    const v2 = v128.load(x + i, 32);
    const v3 = v128.load(x + i, 48);
    a = madd(v0, v0, a);
    b = madd(v1, v1, b);
    c = madd(v2, v2, c);
    d = madd(v3, v3, d);
  }
  for (; i + 16 <= bytes; i += 16) {
    const v = v128.load(x + i);
    a = madd(v, v, a);
  }
  let total = sum(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
  for (; i < bytes; i += 4) total += load<f32>(x + i) * load<f32>(x + i);
  return total;
}
