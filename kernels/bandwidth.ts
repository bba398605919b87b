/** Reads `bytes` (a multiple of 128) at `p` and returns a sum that keeps the compiler from dropping the loads. */
export function readAll(p: usize, bytes: usize): i32 {
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  let c = i32x4.splat(0);
  let d = i32x4.splat(0);
  const end = p + bytes;
  for (; p < end; p += 128) {
    a = i32x4.add(v128.xor(v128.load(p), v128.load(p, 64)), a);
    b = i32x4.add(v128.xor(v128.load(p, 16), v128.load(p, 80)), b);
    c = i32x4.add(v128.xor(v128.load(p, 32), v128.load(p, 96)), c);
    d = i32x4.add(v128.xor(v128.load(p, 48), v128.load(p, 112)), d);
  }
  return i32x4.extract_lane(i32x4.add(i32x4.add(a, b), i32x4.add(c, d)), 0);
}
