/**
 * Machine code for RMS norms of [rows, groups, columns], as floats and, on request, as 8-bit activations (arguments:
 * NormArgs). A group's result depends on nothing but the group.
 */
import {
  type Assembler,
  type Gp,
  type Mem,
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
import { NormArgs } from './kernels.js';
import { reduceLanes } from './lanes.js';
import { quantizeLoop } from './quantize.js';

const [X, Y, WEIGHT, ROWS, BYTES, QUANTIZED, LEFT] = [r8, r9, r10, r11, r12, r13, r14];
/** The group that is read, the place it goes to. */
const [FROM, TO] = [rbx, rbp];

export function normRows(a: Assembler, isa: Isa): void {
  const constants = new Constants(a, isa);
  const vectors = normVectors(isa);
  const [row, group, floats] = [a.label(), a.label(), a.label()];
  enter(a);
  loadPointer(a, X, NormArgs.x);
  loadPointer(a, Y, NormArgs.y);
  loadPointer(a, WEIGHT, NormArgs.weight);
  loadArg(a, ROWS, NormArgs.rows);
  loadArg(a, BYTES, NormArgs.columns);
  a.shl(BYTES, 2);
  loadOptional(a, QUANTIZED, NormArgs.quantized);
  loadSettings(a, vectors, NormArgs.columns, NormArgs.eps);
  a.bind(row);
  a.mov(FROM, X);
  a.mov(TO, Y);
  loadArg(a, LEFT, NormArgs.groups);
  a.bind(group);
  normGroup(a, constants, vectors, { x: FROM, weight: WEIGHT, y: TO, bytes: BYTES, index: rax, whole: rcx });
  for (const [pointer, stride] of [
    [FROM, NormArgs.xGroupStride],
    [TO, NormArgs.yGroupStride],
  ] as const) {
    loadArg(a, rdx, stride);
    a.add(pointer, rdx);
  }
  a.dec(LEFT);
  a.jcc('nz', group);
  a.test(QUANTIZED, QUANTIZED);
  a.jcc('z', floats);
  a.mov(r15, Y);
  loadArg(a, rcx, NormArgs.blocks);
  quantizeLoop(a, isa, constants, r15, QUANTIZED, rcx);
  a.bind(floats);
  for (const [pointer, stride] of [
    [X, NormArgs.xStride],
    [Y, NormArgs.yStride],
  ] as const) {
    loadArg(a, rdx, stride);
    a.add(pointer, rdx);
  }
  a.dec(ROWS);
  a.jcc('nz', row);
  leave(a);
  constants.place();
}

/** Bytes: what lies behind a page is not fetched unless asked for. */
const AHEAD = 4096;

interface NormVectors {
  /** Overwritten; the first becomes the factor of a group. */
  sums: readonly Vec[];
  value: Vec;
  /** Number of columns, eps, and what is added to weights, in every lane. */
  columns: Vec;
  eps: Vec;
  offset: Vec;
}

/** Vectors 0 to 4 are free between groups, 9 to 11 hold what all groups share. */
export function normVectors(isa: Isa): NormVectors {
  const reg = isa.bits === 512 ? zmm : ymm;
  return { sums: [0, 1, 2, 3].map(reg), value: reg(4), columns: xmm(9), eps: xmm(10), offset: reg(11) };
}

/** Loads what all groups share: arguments `columns`, and `eps` with the weights' offset behind it. */
export function loadSettings(
  a: Assembler,
  { columns, eps, offset }: NormVectors,
  columnsArg: number,
  epsArg: number,
): void {
  a.vpbroadcastd(columns, mem(rsi, 4 * columnsArg));
  a.vcvtdq2ps(columns, columns);
  a.vbroadcastss(eps, mem(rsi, 4 * epsArg));
  a.vbroadcastss(offset, mem(rsi, 4 * (epsArg + 1)));
}

type Group = Record<'x' | 'weight' | 'y' | 'bytes' | 'index' | 'whole', Gp>;

/** y = x / √(mean(x²) + eps) · (weight + offset) over `bytes` of f32, a multiple of 64; y may be x. `index` and `whole` are overwritten. */
function normGroup(a: Assembler, constants: Constants, vectors: NormVectors, group: Group): void {
  normFactor(a, constants, vectors, group);
  a.movImm(group.index, 0);
  scale(a, vectors, group);
}

/** All lanes of the first of `sums` become 1 / √(mean(x²) + eps). */
export function normFactor(
  a: Assembler,
  constants: Constants,
  { sums, value, columns, eps }: NormVectors,
  { x, bytes, index, whole }: Omit<Group, 'weight' | 'y'>,
): void {
  const step = value.bits / 8;
  const [four, one, few, done] = Array.from({ length: 4 }, () => a.label());
  for (const sum of sums) a.vpxor(sum, sum, sum);
  a.mov(whole, bytes);
  a.and(whole, -4 * step);
  a.movImm(index, 0);
  a.cmp(index, whole);
  a.jcc('e', few);
  a.bind(four);
  for (let line = 0; line < 4 * step; line += 64) a.prefetcht0(mem(x, AHEAD + line, index));
  sums.forEach((sum, i) => {
    a.vmovups(value, mem(x, i * step, index));
    a.vfmadd231ps(sum, value, value);
  });
  a.add(index, 4 * step);
  a.cmp(index, whole);
  a.jcc('b', four);
  a.bind(few);
  a.cmp(index, bytes);
  a.jcc('ae', done);
  a.bind(one);
  a.vmovups(value, mem(x, 0, index));
  a.vfmadd231ps(sums[0], value, value);
  a.add(index, step);
  a.cmp(index, bytes);
  a.jcc('b', one);
  a.bind(done);
  a.vaddps(sums[0], sums[0], sums[1]);
  a.vaddps(sums[2], sums[2], sums[3]);
  a.vaddps(sums[0], sums[0], sums[2]);
  reduceLanes(a, sums[0], sums[1], (dst, left, right) => a.vaddps(dst, left, right));
  const [factor, ones] = [xmm(sums[0].n), xmm(sums[1].n)];
  a.vdivps(factor, factor, columns);
  a.vaddps(factor, factor, eps);
  a.vsqrtps(factor, factor);
  a.vmovups(ones, constants.of(1));
  a.vdivps(factor, ones, factor);
  a.vbroadcastss(sums[0], factor);
}

/** y = factor · x · (weight + offset) from `index`, which moves on, up to `bytes`. */
export function scale(
  a: Assembler,
  { sums, value, offset }: NormVectors,
  { x, weight, y, bytes, index }: Omit<Group, 'whole'>,
): void {
  const loop = a.label();
  a.bind(loop);
  scaled(a, { sums, offset }, value, sums[1], mem(x, 0, index), mem(weight, 0, index));
  a.vmovups(mem(y, 0, index), value);
  a.add(index, value.bits / 8);
  a.cmp(index, bytes);
  a.jcc('b', loop);
}

/** One vector of it. */
export function scaled(
  a: Assembler,
  { sums, offset }: Pick<NormVectors, 'sums' | 'offset'>,
  dst: Vec,
  spare: Vec,
  x: Mem,
  weight: Mem,
): void {
  a.vaddps(spare, offset, weight);
  a.vmulps(dst, sums[0], x);
  a.vmulps(dst, dst, spare);
}
