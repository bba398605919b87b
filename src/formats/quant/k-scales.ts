/**
 * The twelve bytes of Q4_K and Q5_K that hold eight 6-bit scales and eight 6-bit minima: bytes 0 to 3 the scales and
 * 4 to 7 the minima of sub-blocks 0 to 3; bytes 8 to 11 the low halves of sub-blocks 4 to 7 (scale below, minimum
 * above), whose high two bits lie on top of the first eight bytes.
 */
export function readScale(bytes: Uint8Array, at: number, sub: number): number {
  return sub < 4 ? bytes[at + sub] & 63 : (bytes[at + sub + 4] & 15) | ((bytes[at + sub - 4] >> 6) << 4);
}

export function readMin(bytes: Uint8Array, at: number, sub: number): number {
  return sub < 4 ? bytes[at + sub + 4] & 63 : (bytes[at + sub + 4] >> 4) | ((bytes[at + sub] >> 6) << 4);
}

export function writeScales(bytes: Uint8Array, at: number, scales: Uint8Array, mins: Uint8Array): void {
  for (let sub = 0; sub < 4; sub++) {
    bytes[at + sub] = scales[sub] | ((scales[sub + 4] >> 4) << 6);
    bytes[at + sub + 4] = mins[sub] | ((mins[sub + 4] >> 4) << 6);
    bytes[at + sub + 8] = (scales[sub + 4] & 15) | ((mins[sub + 4] & 15) << 4);
  }
}
