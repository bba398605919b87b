/**
 * Machine code for the middle step of streaming attention (arguments: SoftmaxArgs): scores become weights e^(s − top),
 * with the running maximum, the running sum and the factor by which earlier results shrink. A row's results depend on
 * nothing but the row.
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
  rbx,
  rcx,
  rdx,
  rsi,
  xmm,
  ymm,
  zmm,
} from './assembler.js';
import { Constants } from './constants.js';
import { exponential } from './exponential.js';
import { enter, leave, loadArg, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { SoftmaxArgs } from './kernels.js';
import { acrossLanes } from './lanes.js';

const [SCORES, STRIDE, ROWS, COLUMNS, VISIBLE, GROUP, GROUP_LEFT] = [r8, r9, r10, r11, r12, r13, r14];
const [TOP, TOTAL, CORRECTION] = [r15, rbx, rbp];
/** Bytes of a row in whole vectors, and of what is visible in the vector after them. */
const [WHOLE, REST] = [rcx, rdx];

export function softmaxRows(a: Assembler, isa: Isa): void {
  const reg = isa.bits === 512 ? zmm : ymm;
  const lanes = isa.bits / 32;
  const bytes = isa.bits / 8;
  const [x, top, old, sum, scale, spare, mask] = [0, 4, 5, 6, 7, 3, 2].map(reg);
  const spares = [1, 2, 3].map(reg);
  const constants = new Constants(a, isa);
  const hidden = a.label();

  enter(a);
  loadPointer(a, SCORES, SoftmaxArgs.scores);
  loadPointer(a, TOP, SoftmaxArgs.top);
  loadPointer(a, TOTAL, SoftmaxArgs.total);
  loadPointer(a, CORRECTION, SoftmaxArgs.correction);
  loadArg(a, STRIDE, SoftmaxArgs.stride);
  loadArg(a, ROWS, SoftmaxArgs.rows);
  loadArg(a, COLUMNS, SoftmaxArgs.columns);
  a.loadS32(VISIBLE, mem(rsi, 4 * SoftmaxArgs.visible));
  loadArg(a, GROUP, SoftmaxArgs.group);
  a.mov(GROUP_LEFT, GROUP);
  a.vbroadcastss(scale, mem(rsi, 4 * SoftmaxArgs.scale));

  const [row, none, zeros, next, same] = Array.from({ length: 5 }, () => a.label());
  a.bind(row);
  a.movImm(rax, 0);
  a.test(VISIBLE, VISIBLE);
  a.jcc('le', none);
  minimum(a, WHOLE, VISIBLE, COLUMNS);
  a.mov(REST, WHOLE);
  a.and(REST, lanes - 1);
  a.sub(WHOLE, REST);
  a.shl(WHOLE, 2);
  a.shl(REST, 2);

  /** Calls `use` for each vector of visible scores, at SCORES + rax; the last one has −∞ where nothing is visible. */
  const eachVector = (use: () => void) => {
    const [loop, rest, done] = [a.label(), a.label(), a.label()];
    a.movImm(rax, 0);
    a.bind(loop);
    a.cmp(rax, WHOLE);
    a.jcc('e', rest);
    a.vmovups(x, mem(SCORES, 0, rax));
    use();
    a.add(rax, bytes);
    a.jmp(loop);
    a.bind(rest);
    a.test(REST, REST);
    a.jcc('z', done);
    a.leaLabel(rsi, hidden);
    a.sub(rsi, REST);
    a.vmovups(mask, mem(rsi));
    a.vpand(x, mask, mem(SCORES, 0, rax));
    a.vpandn(mask, mask, constants.of(-Infinity));
    a.vpor(x, x, mask);
    use();
    a.add(rax, bytes);
    a.bind(done);
  };

  a.vbroadcastss(old, mem(TOP));
  a.vmovups(top, old);
  eachVector(() => {
    a.vmulps(x, x, scale);
    a.vmaxps(top, top, x);
  });
  acrossLanes(a, top, spare, (dst, left, right) => a.vmaxps(dst, left, right));
  a.vmovss(mem(TOP), xmm(top.n));
  a.vsubps(x, old, top);
  exponential(a, [x], spares, (value) => constants.of(value), true);
  a.vmovss(mem(CORRECTION), xmm(x.n));
  a.vmovups(old, x);
  a.vpxor(sum, sum, sum);
  eachVector(() => {
    a.vmulps(x, x, scale);
    a.vsubps(x, x, top);
    exponential(a, [x], spares, (value) => constants.of(value), true);
    a.vmovups(mem(SCORES, 0, rax), x);
    a.vaddps(sum, sum, x);
  });
  acrossLanes(a, sum, spare, (dst, left, right) => a.vaddps(dst, left, right));
  a.vmovss(xmm(x.n), mem(TOTAL));
  a.vfmadd213ps(xmm(x.n), xmm(old.n), xmm(sum.n));
  a.vmovss(mem(TOTAL), xmm(x.n));
  a.jmp(zeros);

  a.bind(none);
  a.vmovups(xmm(x.n), constants.of(1));
  a.vmovss(mem(CORRECTION), xmm(x.n));

  a.bind(zeros);
  a.shl(COLUMNS, 2);
  a.vpxor(x, x, x);
  const [clear, cleared] = [a.label(), a.label()];
  a.bind(clear);
  a.cmp(rax, COLUMNS);
  a.jcc('ae', cleared);
  a.vmovups(mem(SCORES, 0, rax), x);
  a.add(rax, bytes);
  a.jmp(clear);
  a.bind(cleared);
  a.shr(COLUMNS, 2);

  a.bind(next);
  a.add(SCORES, STRIDE);
  for (const pointer of [TOP, TOTAL, CORRECTION]) a.add(pointer, 4);
  a.dec(GROUP_LEFT);
  a.jcc('nz', same);
  a.mov(GROUP_LEFT, GROUP);
  a.inc(VISIBLE);
  a.bind(same);
  a.dec(ROWS);
  a.jcc('nz', row);
  leave(a);

  constants.place();
  // Before this label every bit is set, behind it none.
  a.align(64);
  a.data(new Array(bytes).fill(255));
  a.bind(hidden);
  a.data(new Array(bytes).fill(0));
}

function minimum(a: Assembler, dst: Gp, left: Gp, right: Gp): void {
  const less = a.label();
  a.mov(dst, left);
  a.cmp(left, right);
  a.jcc('le', less);
  a.mov(dst, right);
  a.bind(less);
}
