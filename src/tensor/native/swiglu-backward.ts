/** Machine code for the gradients of silu(gate) · up (arguments: SwigluBackwardArgs). */
import { type Assembler, type Gp, mem, r8, r9, r10, r11, r12, r13, r14, rax, rcx, rdx, ymm, zmm } from './assembler.js';
import { Constants, holdConstants } from './constants.js';
import { type Constant, EXPONENTIAL_CONSTANTS, exponential, inRegister } from './exponential.js';
import { enter, leave, loadArg, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { SwigluBackwardArgs } from './kernels.js';
import { chains } from './swiglu.js';

const [GATE, UP, DY, D_GATE, D_UP, ROWS, BYTES] = [r8, r9, r10, r11, r12, r13, r14];
const POINTERS = [
  [GATE, SwigluBackwardArgs.gate, SwigluBackwardArgs.gateStride],
  [UP, SwigluBackwardArgs.up, SwigluBackwardArgs.upStride],
  [DY, SwigluBackwardArgs.dy, SwigluBackwardArgs.dyStride],
  [D_GATE, SwigluBackwardArgs.dGate, SwigluBackwardArgs.dGateStride],
  [D_UP, SwigluBackwardArgs.dUp, SwigluBackwardArgs.dUpStride],
] as const;
/** Bytes of a row in steps of AT_ONCE lines of 64. */
const WHOLE = rdx;
const AT_ONCE = 4;
/** Bytes: what lies behind a page is not fetched unless asked for. */
const AHEAD = 2048;

export function swigluBackwardRows(a: Assembler, isa: Isa): void {
  const constants = new Constants(a, isa);
  const row = a.label();
  enter(a);
  for (const [pointer, place] of POINTERS) loadPointer(a, pointer, place);
  loadArg(a, ROWS, SwigluBackwardArgs.rows);
  loadArg(a, BYTES, SwigluBackwardArgs.columns);
  a.shl(BYTES, 2);
  const constant = holdConstants(a, isa, constants, [...EXPONENTIAL_CONSTANTS, -0]);
  a.bind(row);
  a.movImm(rax, 0);
  a.mov(WHOLE, BYTES);
  a.and(WHOLE, -64 * AT_ONCE);
  elements(a, isa, constant, WHOLE, AT_ONCE);
  elements(a, isa, constant, BYTES, 1);
  for (const [pointer, , stride] of POINTERS) {
    loadArg(a, rcx, stride);
    a.add(pointer, rcx);
  }
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
    for (const source of [GATE, UP, DY]) a.prefetcht0(mem(source, AHEAD + line, rax));
  }
  for (let from = 0; from < 64 * lines; from += (together * isa.bits) / 8) {
    const at = (base: Gp, i: number) => mem(base, from + (i * isa.bits) / 8, rax);
    for (const [i, x] of xs.entries()) a.vpxor(x, inRegister(a, constant(-0), x), at(GATE, i));
    exponential(a, xs, spares, constant);
    for (const x of xs) a.vaddps(x, x, constant(1));
    for (const [i, x] of xs.entries()) a.vdivps(x, inRegister(a, constant(1), spares[i]), x);
    for (const [i, sigmoid] of xs.entries()) {
      const [silu, dy, slope] = spares.slice(3 * i);
      a.vmulps(silu, sigmoid, at(GATE, i));
      a.vsubps(slope, inRegister(a, constant(1), slope), sigmoid);
      a.vfmadd213ps(slope, silu, sigmoid);
      a.vmovups(dy, at(DY, i));
      a.vmulps(silu, silu, dy);
      a.vmulps(dy, dy, at(UP, i));
      a.vmulps(dy, dy, slope);
      a.vmovups(at(D_GATE, i), dy);
      a.vmovups(at(D_UP, i), silu);
    }
  }
  a.add(rax, 64 * lines);
  a.cmp(rax, end);
  a.jcc('b', loop);
  a.bind(done);
}
