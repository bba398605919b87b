/**
 * Machine code that copies rows of f32, f16 or bf16 as f32 in blocks of 16 values (arguments: CopyArgs): to panels, as
 * `product` reads its right factor, or closer together, as `productTransposed` reads its left one. Rows are asked for
 * long before they are read: parts of rows that lie far apart are nothing that a processor would foresee.
 */
import { type Assembler, mem, r8, r9, r10, r11, r12, r13, r14, r15, rax, rbp, rbx, ymm, zmm } from './assembler.js';
import { enter, leave, loadArg, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { CopyArgs } from './kernels.js';
import { type FloatType, widen } from './widen.js';

const BLOCK = 16;
const ROWS_AHEAD = 8;
const [FROM, STRIDE, TO, LINE, NEXT, BLOCKS, ROWS] = [r8, r9, r10, r11, r12, r13, r14];
const [IN, AHEAD, OUT, LEFT] = [rax, rbx, rbp, r15];

/** The kernel of a type. */
export function copyRows(type: FloatType): (a: Assembler, isa: Isa) => void {
  return (a, isa) => {
    const bytes = isa.bits / 8;
    const value = isa.bits === 512 ? zmm(0) : ymm(0);
    const size = type === 'f32' ? 4 : 2;
    enter(a);
    loadPointer(a, FROM, CopyArgs.from);
    loadPointer(a, TO, CopyArgs.to);
    loadArg(a, STRIDE, CopyArgs.stride);
    loadArg(a, ROWS, CopyArgs.rows);
    loadArg(a, BLOCKS, CopyArgs.blocks);
    loadArg(a, LINE, CopyArgs.line);
    loadArg(a, NEXT, CopyArgs.next);
    const [row, loop] = [a.label(), a.label()];
    a.bind(row);
    a.mov(IN, FROM);
    a.imulImm(AHEAD, STRIDE, ROWS_AHEAD);
    a.add(AHEAD, FROM);
    a.mov(OUT, TO);
    a.mov(LEFT, BLOCKS);
    a.align(32);
    a.bind(loop);
    a.prefetcht0(mem(AHEAD));
    for (let at = 0; at < 4 * BLOCK; at += bytes) {
      widen(a, type, value, mem(IN, (at * size) / 4));
      a.vmovups(mem(OUT, at), value);
    }
    a.add(IN, BLOCK * size);
    a.add(AHEAD, BLOCK * size);
    a.add(OUT, NEXT);
    a.dec(LEFT);
    a.jcc('nz', loop);
    a.add(FROM, STRIDE);
    a.add(TO, LINE);
    a.dec(ROWS);
    a.jcc('nz', row);
    leave(a);
  };
}
