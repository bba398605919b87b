/**
 * Machine code for rotary position embeddings of pairs (i, i + half), on request after an RMS norm of each head
 * (arguments: RopeArgs).
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
  rcx,
  rdi,
  rdx,
  type Vec,
  ymm,
  zmm,
} from './assembler.js';
import { Constants } from './constants.js';
import { enter, leave, loadArg, loadOptional, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { RopeArgs } from './kernels.js';
import { loadSettings, normFactor, normVectors, scale, scaled } from './norm.js';

/** First heads of a token; rdi is free once all pointers are addresses. */
const [X, Y, WEIGHT, COS, SIN, BYTES, HALF, HEADS, TOKENS] = [rdi, r8, r9, r10, r11, r12, r13, r14, r15];
/** One head: where it comes from and goes to. */
const [FROM, TO] = [rbp, rdx];

export function ropeHeads(a: Assembler, isa: Isa): void {
  const [spare, first, second, product, cos, sin] = [1, 2, 3, 4, 5, 6].map(isa.bits === 512 ? zmm : ymm);
  const constants = new Constants(a, isa);
  const vectors = normVectors(isa);
  const [token, head, plain, next] = Array.from({ length: 4 }, () => a.label());

  /** Turns all pairs of a head; `load` reads a vector at FROM and an index. */
  const rotate = (load: (dst: Vec, index: Gp) => void) => {
    const loop = a.label();
    a.movImm(rax, 0);
    a.mov(rcx, HALF);
    a.bind(loop);
    load(first, rax);
    load(second, rcx);
    a.vmovups(cos, mem(COS, 0, rax));
    a.vmovups(sin, mem(SIN, 0, rax));
    a.vmulps(product, second, sin);
    a.vmulps(sin, first, sin);
    a.vmulps(first, first, cos);
    a.vsubps(first, first, product);
    a.vfmadd213ps(second, cos, sin);
    a.vmovups(mem(TO, 0, rax), first);
    a.vmovups(mem(TO, 0, rcx), second);
    a.add(rax, isa.bits / 8);
    a.add(rcx, isa.bits / 8);
    a.cmp(rax, HALF);
    a.jcc('b', loop);
  };

  enter(a);
  loadPointer(a, COS, RopeArgs.cos);
  loadPointer(a, SIN, RopeArgs.sin);
  loadPointer(a, Y, RopeArgs.y);
  loadOptional(a, WEIGHT, RopeArgs.weight);
  loadArg(a, TOKENS, RopeArgs.tokens);
  loadArg(a, BYTES, RopeArgs.headDim);
  a.shl(BYTES, 2);
  loadArg(a, HALF, RopeArgs.pairs);
  a.shl(HALF, 2);
  loadArg(a, rax, RopeArgs.x);
  a.add(X, rax);
  loadSettings(a, vectors, RopeArgs.headDim, RopeArgs.eps);
  a.bind(token);
  a.mov(FROM, X);
  a.mov(TO, Y);
  loadArg(a, HEADS, RopeArgs.heads);
  a.bind(head);
  a.test(WEIGHT, WEIGHT);
  a.jcc('z', plain);
  normFactor(a, constants, vectors, { x: FROM, bytes: BYTES, index: rax, whole: rcx });
  rotate((dst, index) => scaled(a, vectors, dst, spare, mem(FROM, 0, index), mem(WEIGHT, 0, index)));
  // From the pairs' end, where the second index has come to.
  a.cmp(rcx, BYTES);
  a.jcc('ae', next);
  scale(a, vectors, { x: FROM, weight: WEIGHT, y: TO, bytes: BYTES, index: rcx });
  a.jmp(next);
  a.bind(plain);
  rotate((dst, index) => a.vmovups(dst, mem(FROM, 0, index)));
  a.bind(next);
  for (const [pointer, stride] of [
    [FROM, RopeArgs.xHeadStride],
    [TO, RopeArgs.yHeadStride],
  ] as const) {
    loadArg(a, rax, stride);
    a.add(pointer, rax);
  }
  a.dec(HEADS);
  a.jcc('nz', head);
  for (const [pointer, stride] of [
    [X, RopeArgs.xStride],
    [Y, RopeArgs.yStride],
  ] as const) {
    loadArg(a, rax, stride);
    a.add(pointer, rax);
  }
  a.add(COS, HALF);
  a.add(SIN, HALF);
  a.dec(TOKENS);
  a.jcc('nz', token);
  leave(a);
  constants.place();
}
