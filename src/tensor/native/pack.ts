/**
 * Machine code that turns 16 rows of f32, f16 or bf16 into panels of f32, [column][16], as `product` reads them
 * (arguments: PackArgs): squares of 16 × 16 or 8 × 8 values are transposed in registers.
 */
import {
  type Assembler,
  type Gp,
  mem,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbp,
  rbx,
  rcx,
  rdx,
  type Vec,
  ymm,
  zmm,
} from './assembler.js';
import { enter, leave, loadArg, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { PackArgs } from './kernels.js';
import { advanceCursors, inRow, pointCursors } from './rows.js';
import { type FloatType, widen } from './widen.js';

const PANEL = 16;
const [W, STRIDE, TO, COLUMNS, PANELS] = [r8, r9, r10, r11, r12];
const CURSORS = [rax, rbx, rcx, rdx, r14, r15];
const [OUT, LEFT] = [rbp, r13];

/** The kernel of a type. */
export function packRows(type: FloatType): (a: Assembler, isa: Isa) => void {
  return (a, isa) => {
    const square = isa.bits / 32;
    enter(a);
    loadPointer(a, W, PackArgs.weights);
    loadPointer(a, TO, PackArgs.to);
    loadArg(a, STRIDE, PackArgs.rowBytes);
    loadArg(a, COLUMNS, PackArgs.columns);
    loadArg(a, PANELS, PackArgs.panels);
    const panel = a.label();
    a.bind(panel);
    for (let row = 0; row < PANEL; row += square) {
      const loop = a.label();
      pointCursors(a, CURSORS, W, STRIDE, square);
      a.lea(OUT, mem(TO, 4 * row));
      a.mov(LEFT, COLUMNS);
      a.bind(loop);
      packSquare(a, isa, type, OUT);
      advanceCursors(a, CURSORS, square, square * (type === 'f32' ? 4 : 2));
      a.add(OUT, 4 * PANEL * square);
      a.sub(LEFT, square);
      a.jcc('nz', loop);
      a.imulImm(rax, STRIDE, square);
      a.add(W, rax);
    }
    a.imulImm(rax, COLUMNS, 4 * PANEL);
    a.add(TO, rax);
    a.dec(PANELS);
    a.jcc('nz', panel);
    leave(a);
  };
}

/** A square of values at the cursors, transposed to `out`. */
function packSquare(a: Assembler, isa: Isa, type: FloatType, out: Gp): void {
  const reg = isa.bits === 512 ? zmm : ymm;
  const square = isa.bits / 32;
  const even = Array.from({ length: square }, (_, i) => reg(i));
  const odd = Array.from({ length: square }, (_, i) => reg(square + i));
  even.forEach((row, i) => {
    widen(a, type, row, inRow(CURSORS, STRIDE, i));
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
    const store = (column: number, value: Vec) => a.vmovups(mem(out, 4 * PANEL * column), value);
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
