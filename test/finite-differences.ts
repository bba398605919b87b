/** Gradients by central differences, to test those that are written down. */

/** d f(x) / d x[i] for each i. `f` should compute in float64; x is left as it was. */
export function gradientOf(f: (x: Float64Array) => number, x: ArrayLike<number>, step = 1e-4): Float64Array {
  const at = Float64Array.from(x);
  return at.map((value, i) => {
    at[i] = value + step;
    const above = f(at);
    at[i] = value - step;
    const below = f(at);
    at[i] = value;
    return (above - below) / (2 * step);
  });
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i] * b[i];
  return total;
}
