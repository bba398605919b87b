/**
 * Machine code for the middle step of attention's gradients (arguments: GradientArgs): scores become weights, and the
 * gradients of weights become those of scores. Columns are queries, rows keys, so that what a query has is a lane's.
 */
import { type Assembler, mem, r8, r9, r10, r11, r12, r13, r14, ymm, zmm } from './assembler.js';
import { Constants, holdConstants } from './constants.js';
import { EXPONENTIAL_CONSTANTS, exponential } from './exponential.js';
import { enter, leave, loadArg, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { GRADIENT_QUERIES, GradientArgs } from './kernels.js';

const LINE = 4 * GRADIENT_QUERIES;
/** Where a key's mask begins, and by how much earlier the next key's. */
const [MASK, STEP] = [r13, r14];
const [SCORES, GRADIENTS, LSE, MEAN, KEYS] = [r8, r9, r10, r11, r12];

export function scoreGradients(a: Assembler, isa: Isa): void {
  const reg = isa.bits === 512 ? zmm : ymm;
  const bytes = isa.bits / 8;
  // As many vectors at once as leave half the registers to constants.
  const together = isa.registers / 8;
  const xs = Array.from({ length: together }, (_, i) => reg(i));
  const spares = Array.from({ length: 3 * together }, (_, i) => reg(together + i));
  const constants = new Constants(a, isa);
  const visible = a.label();

  enter(a);
  loadPointer(a, SCORES, GradientArgs.scores);
  loadPointer(a, GRADIENTS, GradientArgs.gradients);
  loadPointer(a, LSE, GradientArgs.lse);
  loadPointer(a, MEAN, GradientArgs.mean);
  loadArg(a, KEYS, GradientArgs.keys);
  loadArg(a, STEP, GradientArgs.diagonal);
  a.shl(STEP, 2);
  a.leaLabel(MASK, visible);
  const constant = holdConstants(a, isa, constants, EXPONENTIAL_CONSTANTS);

  const row = a.label();
  a.align(32);
  a.bind(row);
  for (let from = 0; from < LINE; from += together * bytes) {
    const at = (i: number) => from + i * bytes;
    for (const [i, x] of xs.entries()) {
      a.vmovups(x, mem(SCORES, at(i)));
      a.vsubps(x, x, mem(LSE, at(i)));
    }
    exponential(a, xs, spares, constant);
    for (const [i, x] of xs.entries()) {
      const gradient = spares[i];
      a.vpand(x, x, mem(MASK, at(i)));
      a.vmovups(mem(SCORES, at(i)), x);
      a.vmovups(gradient, mem(GRADIENTS, at(i)));
      a.vsubps(gradient, gradient, mem(MEAN, at(i)));
      a.vmulps(gradient, gradient, x);
      a.vmovups(mem(GRADIENTS, at(i)), gradient);
    }
  }
  a.add(SCORES, LINE);
  a.add(GRADIENTS, LINE);
  a.sub(MASK, STEP);
  a.dec(KEYS);
  a.jcc('nz', row);
  leave(a);

  constants.place();
  // As many words before `visible` as queries do not see a key.
  a.align(64);
  a.data(new Array(LINE).fill(0));
  a.bind(visible);
  a.data(new Array(LINE).fill(255));
}
