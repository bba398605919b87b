/**
 * Machine code that turns 16 rows of f32, f16 or bf16 into panels of f32, [column][16], as `product` reads them
 * (arguments: PackArgs): squares of 16 × 16 or 8 × 8 values are transposed in registers.
 */
import { type Assembler, mem, r8, r9, r10, r11, r12, r13, r14, r15, rax, rbp, rbx, rcx, rdx } from './assembler.js';
import { enter, leave, loadArg, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { PackArgs } from './kernels.js';
import { advanceCursors, pointCursors } from './rows.js';
import { transposeSquare } from './transpose.js';
import type { FloatType } from './widen.js';

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
      transposeSquare(a, isa, type, CURSORS, STRIDE, (column, value) => a.vmovups(mem(OUT, 4 * PANEL * column), value));
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
