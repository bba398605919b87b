/** How a kernel begins and ends: the caller's registers, room on the stack, and its arguments. */
import { type Assembler, type Gp, mem, r12, r13, r14, r15, rbp, rbx, rdi, rsi, rsp } from './assembler.js';

/** What a function of the System V convention must leave as it was. */
const SAVED = [rbx, rbp, r12, r13, r14, r15];

/** Makes all registers free but rdi (the memory) and rsi (the arguments' address), with `locals` bytes at rsp. */
export function enter(a: Assembler, locals = 0): void {
  for (const r of SAVED) a.push(r);
  if (locals) a.sub(rsp, locals);
  a.shl(rsi, 32); // callers leave the upper half of a 32-bit argument undefined
  a.shr(rsi, 32);
  a.add(rsi, rdi);
}

export function leave(a: Assembler, locals = 0): void {
  if (locals) a.add(rsp, locals);
  for (const r of SAVED.toReversed()) a.pop(r);
  a.vzeroupper();
  a.ret();
}

/** An argument as it stands. */
export function loadArg(a: Assembler, dst: Gp, index: number): void {
  a.load32(dst, mem(rsi, 4 * index));
}

/** An argument that is a place in the memory, as an address. */
export function loadPointer(a: Assembler, dst: Gp, index: number): void {
  loadArg(a, dst, index);
  a.add(dst, rdi);
}

/** The same where the argument may be 0, which stays 0. */
export function loadOptional(a: Assembler, dst: Gp, index: number): void {
  const none = a.label();
  loadArg(a, dst, index);
  a.test(dst, dst);
  a.jcc('z', none);
  a.add(dst, rdi);
  a.bind(none);
}
