/** Machine code for gradients through RMS norms (arguments: NormBackwardArgs). A group's dx depends on nothing but the group. */
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
  rsi,
  type Vec,
  xmm,
  ymm,
  zmm,
} from './assembler.js';
import { Constants } from './constants.js';
import { enter, leave, loadArg, loadOptional, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { NormBackwardArgs } from './kernels.js';
import { reduceLanes } from './lanes.js';

const [X, DY, DX] = [r8, r9, r10];
/** The group that is computed. */
const [FROM, THROUGH, TO] = [r11, r12, r13];
const [WEIGHT, PARTIAL, BYTES, ROWS, LEFT] = [r14, r15, rbx, rbp, rcx];
const ROW_STRIDES = [
  [X, NormBackwardArgs.xStride],
  [DY, NormBackwardArgs.dyStride],
  [DX, NormBackwardArgs.dxStride],
] as const;
const GROUP_STRIDES = [
  [FROM, NormBackwardArgs.xGroupStride],
  [THROUGH, NormBackwardArgs.dyGroupStride],
  [TO, NormBackwardArgs.dxGroupStride],
] as const;

interface Vectors {
  /** Of two chains each; the first of each become the factor 1 / rms and what pulls x. */
  squares: readonly [Vec, Vec];
  dots: readonly [Vec, Vec];
  spares: readonly Vec[];
  columns: Vec;
  eps: Vec;
  offset: Vec;
}

export function normBackwardRows(a: Assembler, isa: Isa): void {
  const reg = isa.bits === 512 ? zmm : ymm;
  const vectors: Vectors = {
    squares: [reg(0), reg(1)],
    dots: [reg(2), reg(3)],
    spares: [4, 5, 6].map(reg),
    columns: xmm(9),
    eps: xmm(10),
    offset: reg(11),
  };
  const constants = new Constants(a, isa);
  const [row, group] = [a.label(), a.label()];
  enter(a);
  loadPointer(a, X, NormBackwardArgs.x);
  loadPointer(a, DY, NormBackwardArgs.dy);
  loadPointer(a, DX, NormBackwardArgs.dx);
  loadPointer(a, WEIGHT, NormBackwardArgs.weight);
  loadOptional(a, PARTIAL, NormBackwardArgs.partial);
  loadArg(a, ROWS, NormBackwardArgs.rows);
  loadArg(a, BYTES, NormBackwardArgs.columns);
  a.shl(BYTES, 2);
  a.vpbroadcastd(vectors.columns, mem(rsi, 4 * NormBackwardArgs.columns));
  a.vcvtdq2ps(vectors.columns, vectors.columns);
  a.vbroadcastss(vectors.eps, mem(rsi, 4 * NormBackwardArgs.eps));
  a.vbroadcastss(vectors.offset, mem(rsi, 4 * NormBackwardArgs.offset));
  a.bind(row);
  a.mov(FROM, X);
  a.mov(THROUGH, DY);
  a.mov(TO, DX);
  loadArg(a, LEFT, NormBackwardArgs.groups);
  a.bind(group);
  sums(a, vectors);
  factors(a, constants, vectors);
  gradients(a, vectors);
  advance(a, GROUP_STRIDES);
  a.dec(LEFT);
  a.jcc('nz', group);
  advance(a, ROW_STRIDES);
  a.dec(ROWS);
  a.jcc('nz', row);
  leave(a);
  constants.place();
}

function advance(a: Assembler, strides: readonly (readonly [Gp, number])[]): void {
  for (const [pointer, stride] of strides) {
    loadArg(a, rdx, stride);
    a.add(pointer, rdx);
  }
}

/** Σ x² and Σ dy · (weight + offset) · x, in two chains each. */
function sums(a: Assembler, { squares, dots, spares, offset }: Vectors): void {
  const [x, g] = spares;
  const step = x.bits / 8;
  for (const sum of [...squares, ...dots]) a.vpxor(sum, sum, sum);
  const lines = (end: Gp, bytes: number) => {
    const [loop, done] = [a.label(), a.label()];
    a.cmp(rax, end);
    a.jcc('ae', done);
    a.bind(loop);
    for (let at = 0, i = 0; at < bytes; at += step, i ^= 1) {
      a.vmovups(x, mem(FROM, at, rax));
      a.vfmadd231ps(squares[i], x, x);
      a.vaddps(g, offset, mem(WEIGHT, at, rax));
      a.vmulps(g, g, mem(THROUGH, at, rax));
      a.vfmadd231ps(dots[i], g, x);
    }
    a.add(rax, bytes);
    a.cmp(rax, end);
    a.jcc('b', loop);
    a.bind(done);
  };
  a.movImm(rax, 0);
  a.mov(rdx, BYTES);
  a.and(rdx, -128);
  lines(rdx, 128);
  lines(BYTES, 64);
}

/** All lanes of the first sums become s = 1 / √(mean(x²) + eps), and s² · mean(g · x). */
function factors(a: Assembler, constants: Constants, { squares, dots, spares, columns, eps }: Vectors): void {
  for (const [sum, other] of [squares, dots]) {
    a.vaddps(sum, sum, other);
    reduceLanes(a, sum, spares[0], (dst, left, right) => a.vaddps(dst, left, right));
    a.vdivps(xmm(sum.n), xmm(sum.n), columns);
  }
  const [factor, pull, ones] = [xmm(squares[0].n), xmm(dots[0].n), xmm(spares[0].n)];
  a.vaddps(factor, factor, eps);
  a.vsqrtps(factor, factor);
  a.vmovups(ones, constants.of(1));
  a.vdivps(factor, ones, factor);
  a.vmulps(pull, pull, factor);
  a.vmulps(pull, pull, factor);
  a.vbroadcastss(squares[0], factor);
  a.vbroadcastss(dots[0], pull);
}

/** The group's dx, and its share of `partial` if there is one. */
function gradients(a: Assembler, vectors: Vectors): void {
  const [frozen, done] = [a.label(), a.label()];
  a.movImm(rax, 0);
  loadArg(a, rdx, NormBackwardArgs.accumulate);
  a.test(PARTIAL, PARTIAL);
  a.jcc('z', frozen);
  for (const trained of [true, false]) {
    const overwrite = a.label();
    if (!trained) a.bind(frozen);
    a.test(rdx, rdx);
    a.jcc('z', overwrite);
    gradientLoop(a, vectors, trained, true);
    a.jmp(done);
    a.bind(overwrite);
    gradientLoop(a, vectors, trained, false);
    if (trained) a.jmp(done);
  }
  a.bind(done);
}

function gradientLoop(
  a: Assembler,
  { squares: [factor], dots: [pull], spares, offset }: Vectors,
  trained: boolean,
  accumulate: boolean,
): void {
  const [x, dy, g] = spares;
  const loop = a.label();
  a.bind(loop);
  a.vmovups(x, mem(FROM, 0, rax));
  a.vmovups(dy, mem(THROUGH, 0, rax));
  a.vaddps(g, offset, mem(WEIGHT, 0, rax));
  a.vmulps(g, g, dy);
  a.vfnmadd231ps(g, x, pull);
  if (trained) {
    a.vmulps(x, x, dy);
    a.vmovups(dy, mem(PARTIAL, 0, rax));
    a.vfmadd231ps(dy, x, factor);
    a.vmovups(mem(PARTIAL, 0, rax), dy);
  }
  if (accumulate) a.vfmadd213ps(g, factor, mem(TO, 0, rax));
  else a.vmulps(g, g, factor);
  a.vmovups(mem(TO, 0, rax), g);
  a.add(rax, x.bits / 8);
  a.cmp(rax, BYTES);
  a.jcc('b', loop);
}
