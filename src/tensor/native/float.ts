/**
 * Machine code for rows of f32, f16 or bf16 × a few f32 vectors: y[t, r] += Σ_c w[r, c] · x[t, c] (arguments: RowArgs).
 *
 * Rows are read where they lie and lanes are columns. A tile is four rows × as many tokens as there are registers for;
 * its sums stay in registers over all columns and are added across the lanes at the end. Each sum is added up in the
 * same order whatever the tile, so a token's result does not depend on the tokens beside it.
 *
 * One token is bound by memory: while four rows are read, the four that follow are asked for.
 */
import {
  type Assembler,
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
  rdi,
  rdx,
  rsp,
  type Vec,
  xmm,
  ymm,
  zmm,
} from './assembler.js';
import { enter, leave, loadArg, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { RowArgs } from './kernels.js';
import { advanceCursors, inRow, pointCursors } from './rows.js';
import { type FloatType, widen } from './widen.js';

/** Rows of a tile: a vector of 128 bits takes their results. */
const ROWS = 4;
/** Most tokens of a tile: with 4 rows, 24 or 12 sums. */
const TOKENS: Record<Isa['bits'], number> = { 512: 6, 256: 3 };

// Registers of the whole kernel; rsi is the arguments' address, what else it keeps is on the stack.
const [W, W_STRIDE, X, X_STRIDE, Y, Y_STRIDE, COLUMNS, TOKENS_LEFT] = [r8, r9, r10, r11, r12, r13, rbp, r15];
/** Cursors of a tile: x (then y) at every third token, the weights at every third row. */
const X_CURSORS = [rax, rbx];
const W_CURSORS = [rcx, rdx];
const [AHEAD, LEFT] = [r14, rdi];

const LOCALS = 32;
const ROWS_LEFT = mem(rsp, 0);
const FIRST_X = mem(rsp, 8);
const FIRST_Y = mem(rsp, 16);

/** The kernel of a type. */
export function floatRows(type: FloatType): (a: Assembler, isa: Isa) => void {
  return (a, isa) => {
    enter(a, LOCALS);
    loadPointer(a, W, RowArgs.weights);
    loadPointer(a, X, RowArgs.x);
    loadPointer(a, Y, RowArgs.y);
    a.store64(FIRST_X, X);
    a.store64(FIRST_Y, Y);
    loadArg(a, W_STRIDE, RowArgs.rowBytes);
    loadArg(a, X_STRIDE, RowArgs.xStride);
    loadArg(a, Y_STRIDE, RowArgs.yStride);
    loadArg(a, COLUMNS, RowArgs.columns);
    loadArg(a, rax, RowArgs.rows);
    a.store64(ROWS_LEFT, rax);
    for (const rows of [ROWS, 1]) rowGroups(a, isa, type, rows);
    leave(a, LOCALS);
  };
}

/** As many groups of `rows` rows as remain × all tokens. */
function rowGroups(a: Assembler, isa: Isa, type: FloatType, rows: number): void {
  const [group, chunk, tile, halves, next, end] = Array.from({ length: 6 }, () => a.label());
  a.bind(group);
  a.load64(rax, ROWS_LEFT);
  a.cmp(rax, rows);
  a.jcc('l', end);
  a.sub(rax, rows);
  a.store64(ROWS_LEFT, rax);
  a.load64(X, FIRST_X);
  a.load64(Y, FIRST_Y);
  loadArg(a, TOKENS_LEFT, RowArgs.tokens);

  // Full tiles while there is enough for two, then two halves: tokens are spread evenly.
  const most = TOKENS[isa.bits];
  a.bind(chunk);
  a.mov(rax, TOKENS_LEFT);
  a.cmp(rax, most);
  a.jcc('be', tile);
  a.cmp(rax, 2 * most);
  a.jcc('b', halves);
  a.movImm(rax, most);
  a.jmp(tile);
  a.bind(halves);
  a.inc(rax);
  a.shr(rax, 1);
  a.bind(tile);
  const widths = Array.from({ length: most }, (_, i) => ({ tokens: i + 1, label: a.label() }));
  for (const { tokens, label } of widths) {
    a.cmp(rax, tokens);
    a.jcc('e', label);
  }
  for (const { tokens, label } of widths) {
    a.bind(label);
    rowTile(a, isa, type, rows, tokens);
    a.sub(TOKENS_LEFT, tokens);
    a.jcc('nz', chunk);
    a.jmp(next);
  }

  a.bind(next);
  a.imulImm(rax, W_STRIDE, rows);
  a.add(W, rax);
  a.load64(rax, FIRST_Y);
  a.add(rax, 4 * rows);
  a.store64(FIRST_Y, rax);
  a.jmp(group);
  a.bind(end);
}

/** `rows` (4 or 1) rows × `tokens` tokens; moves X and Y past the tokens. */
function rowTile(a: Assembler, isa: Isa, type: FloatType, rows: number, tokens: number): void {
  const reg = isa.bits === 512 ? zmm : ymm;
  const lanes = isa.bits / 32;
  const weightBytes = lanes * (type === 'f32' ? 4 : 2);
  const most = TOKENS[isa.bits];
  const x = Array.from({ length: tokens }, (_, t) => reg(t));
  const w = reg(most);
  const first = isa.registers - ROWS * most;
  const sums = Array.from({ length: tokens }, (_, t) =>
    Array.from({ length: rows }, (_, r) => reg(first + ROWS * t + r)),
  );

  for (const sum of sums.flat()) a.vpxor(sum, sum, sum);
  pointCursors(a, X_CURSORS, X, X_STRIDE, tokens);
  pointCursors(a, W_CURSORS, W, W_STRIDE, rows);
  if (rows === ROWS) a.lea(AHEAD, mem(W, 0, W_STRIDE, ROWS));
  a.mov(LEFT, COLUMNS);
  const loop = a.label();
  a.align(32);
  a.bind(loop);
  for (let t = 0; t < tokens; t++) a.vmovups(x[t], inRow(X_CURSORS, X_STRIDE, t));
  for (let r = 0; r < rows; r++) {
    widen(a, type, w, inRow(W_CURSORS, W_STRIDE, r));
    for (let t = 0; t < tokens; t++) a.vfmadd231ps(sums[t][r], w, x[t]);
  }
  advanceCursors(a, X_CURSORS, tokens, 4 * lanes);
  advanceCursors(a, W_CURSORS, rows, weightBytes);
  if (rows === ROWS) {
    for (let at = 0; at < ROWS * weightBytes; at += 64) a.prefetcht0(mem(AHEAD, at));
    a.add(AHEAD, ROWS * weightBytes);
  }
  a.sub(LEFT, lanes);
  a.jcc('nz', loop);

  pointCursors(a, X_CURSORS, Y, Y_STRIDE, tokens);
  for (let t = 0; t < tokens; t++) {
    addLanes(a, isa, sums[t]);
    const y = inRow(X_CURSORS, Y_STRIDE, t);
    if (rows === 1) {
      a.vmovss(xmm(1), y);
      a.vaddps(xmm(0), xmm(0), xmm(1));
      a.vmovss(y, xmm(0));
    } else {
      a.vaddps(xmm(0), xmm(0), y);
      a.vmovups(y, xmm(0));
    }
  }
  a.imulImm(rax, X_STRIDE, tokens);
  a.add(X, rax);
  a.imulImm(rax, Y_STRIDE, tokens);
  a.add(Y, rax);
}

/** The sums of four vectors' lanes, or of one vector's four times, to xmm0. Registers 0 to 2 are overwritten. */
function addLanes(a: Assembler, isa: Isa, sums: readonly Vec[]): void {
  const reg = isa.bits === 512 ? zmm : ymm;
  const [s0, s1, s2, s3] = sums.length === 4 ? sums : [sums[0], sums[0], sums[0], sums[0]];
  a.vunpcklps(reg(0), s0, s1);
  a.vunpckhps(reg(1), s0, s1);
  a.vaddps(reg(0), reg(0), reg(1));
  a.vunpcklps(reg(1), s2, s3);
  a.vunpckhps(reg(2), s2, s3);
  a.vaddps(reg(1), reg(1), reg(2));
  a.vpunpcklqdq(reg(2), reg(0), reg(1));
  a.vpunpckhqdq(reg(0), reg(0), reg(1));
  a.vaddps(reg(0), reg(0), reg(2));
  if (isa.bits === 512) {
    a.vextractf64x4(ymm(1), zmm(0), 1);
    a.vaddps(ymm(0), ymm(0), ymm(1));
  }
  a.vextractf128(xmm(1), ymm(0), 1);
  a.vaddps(xmm(0), xmm(0), xmm(1));
}
