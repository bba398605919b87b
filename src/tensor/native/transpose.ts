/** Rows to columns, in registers. */
import { type Assembler, type Gp, type Vec, ymm, zmm } from './assembler.js';
import type { Isa } from './isa.js';
import { inRow } from './rows.js';
import { type FloatType, widen } from './widen.js';

/**
 * A square of values, 16 × 16 or 8 × 8, from the rows that the cursors have come to: `store` gets one column after the
 * other, as f32. All vector registers (of 32, or of 16) are overwritten.
 */
export function transposeSquare(
  a: Assembler,
  isa: Isa,
  type: FloatType,
  cursors: readonly Gp[],
  stride: Gp,
  store: (column: number, values: Vec) => void,
): void {
  const reg = isa.bits === 512 ? zmm : ymm;
  const square = isa.bits / 32;
  const even = Array.from({ length: square }, (_, i) => reg(i));
  const odd = Array.from({ length: square }, (_, i) => reg(square + i));
  even.forEach((row, i) => {
    widen(a, type, row, inRow(cursors, stride, i));
  });
  // Within each 128 bits, rows 4g to 4g + 3 of a column come together: register 4g + j, part p holds column 4p + j.
  for (let i = 0; i < square; i += 2) {
    a.vunpcklps(odd[i], even[i], even[i + 1]);
    a.vunpckhps(odd[i + 1], even[i], even[i + 1]);
  }
  for (let g = 0; g < square; g += 4) {
    for (let i = 0; i < 2; i++) {
      a.vpunpcklqdq(even[g + 2 * i], odd[g + i], odd[g + 2 + i]);
      a.vpunpckhqdq(even[g + 2 * i + 1], odd[g + i], odd[g + 2 + i]);
    }
  }
  // Then the parts of a column.
  for (let j = 0; j < 4; j++) {
    if (isa.bits === 256) {
      a.vperm2f128(odd[0], even[j], even[4 + j], 0x20);
      store(j, odd[0]);
      a.vperm2f128(odd[1], even[j], even[4 + j], 0x31);
      store(4 + j, odd[1]);
      continue;
    }
    a.vshuff32x4(odd[0], even[j], even[4 + j], 0x44);
    a.vshuff32x4(odd[1], even[8 + j], even[12 + j], 0x44);
    a.vshuff32x4(odd[2], even[j], even[4 + j], 0xee);
    a.vshuff32x4(odd[3], even[8 + j], even[12 + j], 0xee);
    for (let p = 0; p < 4; p++) {
      const [low, high] = p < 2 ? [odd[0], odd[1]] : [odd[2], odd[3]];
      a.vshuff32x4(odd[4], low, high, p % 2 ? 0xdd : 0x88);
      store(4 * p + j, odd[4]);
    }
  }
}
