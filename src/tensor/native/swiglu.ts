/** Machine code for silu(gate) · up, as floats and, on request, as 8-bit activations (arguments: SwigluArgs). */
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
  rax,
  rbp,
  rbx,
  rcx,
  rdx,
  ymm,
  zmm,
} from './assembler.js';
import { Constants, holdConstants } from './constants.js';
import { type Constant, EXPONENTIAL_CONSTANTS, exponential, inRegister } from './exponential.js';
import { enter, leave, loadArg, loadOptional, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { SwigluArgs } from './kernels.js';
import { quantizeLoop } from './quantize.js';

const [GATE, UP, Y, ROWS, BYTES, QUANTIZED] = [r8, r9, r10, r11, r12, r13];
const [GATE_STRIDE, UP_STRIDE, Y_STRIDE] = [r14, rbx, rbp];
/** Bytes of a row in steps of AT_ONCE lines of 64. */
const WHOLE = rdx;
const AT_ONCE = 4;
/** Bytes: what lies behind a page is not fetched unless asked for. */
const AHEAD = 2048;

export function swigluRows(a: Assembler, isa: Isa): void {
  const constants = new Constants(a, isa);
  const [row, floats] = [a.label(), a.label()];
  enter(a);
  loadPointer(a, GATE, SwigluArgs.gate);
  loadPointer(a, UP, SwigluArgs.up);
  loadPointer(a, Y, SwigluArgs.y);
  loadArg(a, ROWS, SwigluArgs.rows);
  loadArg(a, BYTES, SwigluArgs.columns);
  a.shl(BYTES, 2);
  loadArg(a, GATE_STRIDE, SwigluArgs.gateStride);
  loadArg(a, UP_STRIDE, SwigluArgs.upStride);
  loadArg(a, Y_STRIDE, SwigluArgs.yStride);
  loadOptional(a, QUANTIZED, SwigluArgs.quantized);
  a.bind(row);
  a.movImm(rax, 0);
  a.mov(WHOLE, BYTES);
  a.and(WHOLE, -64 * AT_ONCE);
  const constant = holdConstants(a, isa, constants, [...EXPONENTIAL_CONSTANTS, -0]);
  elements(a, isa, constant, WHOLE, AT_ONCE);
  elements(a, isa, constant, BYTES, 1);
  a.test(QUANTIZED, QUANTIZED);
  a.jcc('z', floats);
  a.mov(rax, Y);
  a.mov(rcx, BYTES);
  a.shr(rcx, 7);
  quantizeLoop(a, isa, constants, rax, QUANTIZED, rcx);
  a.bind(floats);
  a.add(GATE, GATE_STRIDE);
  a.add(UP, UP_STRIDE);
  a.add(Y, Y_STRIDE);
  a.dec(ROWS);
  a.jcc('nz', row);
  leave(a);
  constants.place();
}

/** One row's elements from offset rax up to `end`, `lines` of 64 bytes at a time. */
function elements(a: Assembler, isa: Isa, constant: Constant, end: Gp, lines: number): void {
  const reg = isa.bits === 512 ? zmm : ymm;
  const together = Math.min(chains(isa), (512 / isa.bits) * lines);
  const xs = Array.from({ length: together }, (_, i) => reg(i));
  const spares = Array.from({ length: 3 * together }, (_, i) => reg(together + i));
  const [loop, done] = [a.label(), a.label()];
  a.cmp(rax, end);
  a.jcc('ae', done);
  a.bind(loop);
  for (let line = 0; line < 64 * lines; line += 64) {
    a.prefetcht0(mem(GATE, AHEAD + line, rax));
    a.prefetcht0(mem(UP, AHEAD + line, rax));
  }
  for (let from = 0; from < 64 * lines; from += (together * isa.bits) / 8) {
    const at = (base: Gp, i: number) => mem(base, from + (i * isa.bits) / 8, rax);
    for (const [i, x] of xs.entries()) a.vpxor(x, inRegister(a, constant(-0), x), at(GATE, i));
    exponential(a, xs, spares, constant);
    for (const x of xs) a.vaddps(x, x, constant(1));
    for (const [i, x] of xs.entries()) a.vdivps(x, inRegister(a, constant(1), spares[i]), x);
    for (const [i, x] of xs.entries()) {
      a.vmulps(x, x, at(GATE, i));
      a.vmulps(x, x, at(UP, i));
      a.vmovups(at(Y, i), x);
    }
  }
  a.add(rax, 64 * lines);
  a.cmp(rax, end);
  a.jcc('b', loop);
  a.bind(done);
}

/** Vectors at once: as many as leave half the registers to constants. */
export const chains = (isa: Isa): number => isa.registers / 8;
