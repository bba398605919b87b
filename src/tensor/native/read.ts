/** Reads memory as fast as it comes: the measure of decoding. */
import { type Assembler, mem, rax, rcx, ymm, zmm } from './assembler.js';
import { enter, leave, loadArg, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { ReadArgs } from './kernels.js';

const AHEAD = 4096;
const STEP = 512;

/** Emits `void (memory, args)` with ReadArgs. */
export function readMemory(a: Assembler, isa: Isa): void {
  const [from, end] = [rax, rcx];
  const next = a.label();
  enter(a);
  loadPointer(a, from, ReadArgs.from);
  loadArg(a, end, ReadArgs.bytes);
  a.add(end, from);
  a.bind(next);
  for (let line = 0; line < STEP; line += 64) a.prefetcht0(mem(from, AHEAD + line));
  const vector = (isa.bits === 512 ? zmm : ymm)(0);
  for (let at = 0; at < STEP; at += isa.bits / 8) a.vmovups(vector, mem(from, at));
  a.add(from, STEP);
  a.cmp(from, end);
  a.jcc('b', next);
  leave(a);
}
