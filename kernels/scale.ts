/** Columns times a scale of their own. */
import { int, ptr } from './record';
import { lanes, madd, putLanes } from './simd';

/** y (+)= x · diag(scale). y may be x. Ints: x, y, scale, rows, cols, xStride, yStride, rows a piece, columns a piece, accumulate. */
export function scaleColumns(op: usize, piece: i32, scratch: usize): void {
  const cols = int(op, 4);
  const rowsPer = int(op, 7);
  const colsPer = int(op, 8);
  const across = (cols + colsPer - 1) / colsPer;
  const firstCol = (piece % across) * colsPer;
  const firstRow = (piece / across) * rowsPer;
  const lastRow = min(firstRow + rowsPer, int(op, 3));
  const bytes = <usize>min(colsPer, cols - firstCol) << 2;
  const scale = ptr(op, 2) + (<usize>firstCol << 2);
  for (let row = firstRow; row < lastRow; row++) {
    const x = ptr(op, 0) + (<usize>(row * int(op, 5) + firstCol) << 2);
    const y = ptr(op, 1) + (<usize>(row * int(op, 6) + firstCol) << 2);
    let i: usize = 0;
    if (int(op, 9)) {
      for (; i + 16 <= bytes; i += 16) add(x + i, y + i, scale + i, true);
      for (; i < bytes; i += 4) add(x + i, y + i, scale + i, false);
    } else {
      for (; i + 16 <= bytes; i += 16) v128.store(y + i, f32x4.mul(v128.load(x + i), v128.load(scale + i)));
      for (; i < bytes; i += 4) store<f32>(y + i, load<f32>(x + i) * load<f32>(scale + i));
    }
  }
}

// @ts-ignore: decorator
@inline
function add(x: usize, y: usize, scale: usize, whole: bool): void {
  putLanes(y, madd(lanes(x, whole), lanes(scale, whole), lanes(y, whole)), whole);
}
