/** Machine code for silu(gate) · up, as floats and, on request, as 8-bit activations (arguments: SwigluArgs). */
import { type Assembler, mem, r8, r9, r10, r11, r12, r13, r14, rax, rbp, rbx, rcx, ymm, zmm } from './assembler.js';
import { Constants } from './constants.js';
import { exponential } from './exponential.js';
import { enter, leave, loadArg, loadOptional, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { SwigluArgs } from './kernels.js';
import { quantizeLoop } from './quantize.js';

const [GATE, UP, Y, ROWS, BYTES, QUANTIZED] = [r8, r9, r10, r11, r12, r13];
const [GATE_STRIDE, UP_STRIDE, Y_STRIDE] = [r14, rbx, rbp];

export function swigluRows(a: Assembler, isa: Isa): void {
  const [x, shifted, n, p, gate, one] = [0, 1, 2, 3, 4, 5].map(isa.bits === 512 ? zmm : ymm);
  const constants = new Constants(a, isa);
  const [row, loop, floats] = [a.label(), a.label(), a.label()];
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
  a.vmovups(one, constants.of(1));
  a.movImm(rax, 0);
  a.bind(loop);
  a.vmovups(gate, mem(GATE, 0, rax));
  a.vpxor(x, gate, constants.words(1 << 31));
  exponential(a, x, [shifted, n, p], constants);
  a.vaddps(x, x, one);
  a.vdivps(x, one, x);
  a.vmulps(x, x, gate);
  a.vmulps(x, x, mem(UP, 0, rax));
  a.vmovups(mem(Y, 0, rax), x);
  a.add(rax, isa.bits / 8);
  a.cmp(rax, BYTES);
  a.jcc('b', loop);
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
