/** A hash of a chain of tokens, as a whole number of 53 bits. */

/** Of what `before` is the hash of, followed by `tokens`. It is spread well, and not hard to forge. */
export function hashOf(before: number, tokens: readonly number[]): number {
  let a = (before >>> 0) ^ 0x9e3779b9;
  let b = Math.floor(before / 2 ** 32) ^ 0x85ebca6b ^ tokens.length;
  for (const token of tokens) {
    a = Math.imul(a ^ token, 0x2c1b3c6d);
    a = (a << 13) | (a >>> 19);
    b = Math.imul(b + token, 0x297a2d39);
    b = ((b << 15) | (b >>> 17)) ^ a;
  }
  a = mix(a ^ (b >>> 7));
  b = mix(b ^ a);
  return (b & 0x1fffff) * 2 ** 32 + (a >>> 0);
}

function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}
