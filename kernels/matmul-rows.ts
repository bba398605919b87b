/** Results of up to four neighbouring rows, lanes = rows: what a matrix product starts from and adds to. */

/** y[t, 0..rows) = bias, or zeros without one. */
export function startRows(y: usize, yStride: usize, bias: usize, tokens: i32, rows: i32): void {
  const bytes = <usize>rows << 2;
  for (let t = 0; t < tokens; t++) {
    if (bias) memory.copy(y, bias, bytes);
    else memory.fill(y, 0, bytes);
    y += yStride;
  }
}

/** y[t, 0..rows) += bias. */
export function addBias(y: usize, yStride: usize, bias: usize, tokens: i32, rows: i32): void {
  for (let t = 0; t < tokens; t++) {
    for (let r = 0; r < rows; r++) {
      const at = <usize>r << 2;
      store<f32>(y + at, load<f32>(y + at) + load<f32>(bias + at));
    }
    y += yStride;
  }
}

/** y[0..rows) += value, of which only the first `rows` lanes count. */
// @ts-ignore: decorator
@inline
export function addRows(y: usize, value: v128, rows: i32): void {
  if (rows >= 4) v128.store(y, f32x4.add(v128.load(y), value));
  else addSome(y, value, rows);
}

function addSome(y: usize, value: v128, rows: i32): void {
  if (rows > 0) store<f32>(y, load<f32>(y) + f32x4.extract_lane(value, 0));
  if (rows > 1) store<f32>(y, load<f32>(y, 4) + f32x4.extract_lane(value, 1), 4);
  if (rows > 2) store<f32>(y, load<f32>(y, 8) + f32x4.extract_lane(value, 2), 8);
}
