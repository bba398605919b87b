/**
 * c (+)= a · b on register tiles of four rows × 8 columns, b in panels of 16 columns, [k][16]. `a` lies in rows, `aStride`
 * bytes apart, or transposed, in columns of one k each. A sum adds its products in the order of k, then what c held.
 */
import { madd } from './simd';

export function tiles(
  transposed: bool, a: usize, aStride: usize, rows: i32, b: usize, next: usize, panels: i32, depth: i32,
  c: usize, cStride: usize, add: bool,
): void {
  const aNext: usize = transposed ? 4 : aStride;
  for (let panel = 0; panel < panels; panel++) {
    let ar = a;
    let cr = c;
    let r = rows;
    for (; r >= 4; r -= 4) {
      if (transposed) {
        columns4(ar, aStride, b, depth, cr, cStride, add);
        columns4(ar, aStride, b + 32, depth, cr + 32, cStride, add);
      } else {
        rows4(ar, aStride, b, depth, cr, cStride, add);
        rows4(ar, aStride, b + 32, depth, cr + 32, cStride, add);
      }
      ar += aNext << 2;
      cr += cStride << 2;
    }
    for (; r > 0; r--) {
      row1(ar, transposed ? aStride : 4, b, depth, cr, add);
      ar += aNext;
      cr += cStride;
    }
    b += next;
    c += 64;
  }
}

function rows4(a: usize, aStride: usize, b: usize, depth: i32, c: usize, cStride: usize, add: bool): void {
  tile(false, a, aStride, b, depth, c, cStride, add);
}

function columns4(a: usize, aStride: usize, b: usize, depth: i32, c: usize, cStride: usize, add: bool): void {
  tile(true, a, aStride, b, depth, c, cStride, add);
}

/** Inlined with a constant `transposed`. */
// @ts-ignore: decorator
@inline
function tile(
  transposed: bool, a: usize, aStride: usize, b: usize, depth: i32, c: usize, cStride: usize, add: bool,
): void {
  let a1 = a + aStride;
  let a2 = a1 + aStride;
  let a3 = a2 + aStride;
  let x00 = f32x4.splat(0), x01 = x00, x10 = x00, x11 = x00, x20 = x00, x21 = x00, x30 = x00, x31 = x00;
  for (const end = b + (<usize>depth << 6); b != end; b += 64) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let v = v128.load32_splat(a);
    x00 = madd(v, b0, x00);
    x01 = madd(v, b1, x01);
    v = transposed ? v128.load32_splat(a, 4) : v128.load32_splat(a1);
    x10 = madd(v, b0, x10);
    x11 = madd(v, b1, x11);
    v = transposed ? v128.load32_splat(a, 8) : v128.load32_splat(a2);
    x20 = madd(v, b0, x20);
    x21 = madd(v, b1, x21);
    v = transposed ? v128.load32_splat(a, 12) : v128.load32_splat(a3);
    x30 = madd(v, b0, x30);
    x31 = madd(v, b1, x31);
    if (transposed) a += aStride;
    else {
      a += 4;
      a1 += 4;
      a2 += 4;
      a3 += 4;
    }
  }
  put(c, x00, x01, add);
  c += cStride;
  put(c, x10, x11, add);
  c += cStride;
  put(c, x20, x21, add);
  c += cStride;
  put(c, x30, x31, add);
}

/** One row × 16 columns; `step` bytes lie between values of `a`. */
function row1(a: usize, step: usize, b: usize, depth: i32, c: usize, add: bool): void {
  let x0 = f32x4.splat(0), x1 = x0, x2 = x0, x3 = x0;
  for (const end = b + (<usize>depth << 6); b != end; b += 64) {
    const v = v128.load32_splat(a);
    x0 = madd(v, v128.load(b), x0);
    x1 = madd(v, v128.load(b, 16), x1);
    x2 = madd(v, v128.load(b, 32), x2);
    x3 = madd(v, v128.load(b, 48), x3);
    a += step;
  }
  put(c, x0, x1, add);
  put(c + 32, x2, x3, add);
}

// @ts-ignore: decorator
@inline
function put(c: usize, low: v128, high: v128, add: bool): void {
  v128.store(c, add ? f32x4.add(v128.load(c), low) : low);
  v128.store(c, add ? f32x4.add(v128.load(c, 16), high) : high, 16);
}
