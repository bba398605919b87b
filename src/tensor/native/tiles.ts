/**
 * What the products c = a · b of few or many rows have in common (arguments: ProductArgs): the walk over rows and panels
 * in tiles whose sums stay in registers, and what becomes of the sums. What c held is asked for when a tile begins and
 * added when it ends.
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
  rdi,
  rdx,
  rsp,
  type Scale,
  type Vec,
} from './assembler.js';
import { enter, leave, loadArg, loadOptional, loadPointer } from './frame.js';
import { ProductArgs } from './kernels.js';
import { inRow, pointCursors } from './rows.js';

/** Tiles of `panels` side by side, of up to `rows` rows, as many as there are registers for. */
export interface Shape {
  panels: number;
  rows: number;
  /** Whether products of more rows than that use the shape too. */
  main: boolean;
}

// Registers of the whole kernel; what else it keeps is on the stack. A tile may use `AHEAD` and `LEFT` as it likes.
export const [A, A_STRIDE, B, B_NEXT, C, C_STRIDE, AHEAD, K] = [r8, r9, r10, r11, r12, r13, r14, rbp];
/** Cursors of a tile: `a` (then `c`) in every third row, and b. */
export const ROW_CURSORS = [rax, rbx, rcx, rdx];
export const [B_CURSOR, LEFT] = [r15, rdi];

/** A tile's own locals begin here. */
export const TILE_LOCALS = 56;
const LOCALS = 328;
const ROWS_LEFT = mem(rsp, 0);
/** Panels behind those of the tile. */
const PANELS_LEFT = mem(rsp, 8);
const FIRST_A = mem(rsp, 16);
const FIRST_C = mem(rsp, 24);
const FIRST_SCALES = mem(rsp, 32);
const SCALES = mem(rsp, 40);
const BEHIND = mem(rsp, 48);

/** Bytes that the last panels are read ahead. */
const AHEAD_IN_PANEL = 1024;

/** The sums of a tile, [rows][vectors]. */
export type Sums = readonly (readonly Vec[])[];

/** All rows × all panels; `panelBytes` is a panel's width in c, `tile` computes up to `rows` rows × the shape's panels. */
export function emitTiles(
  a: Assembler,
  shapes: readonly Shape[],
  panelBytes: number,
  tile: (shape: Shape, rows: number) => void,
): void {
  enter(a, LOCALS);
  loadPointer(a, B, ProductArgs.b);
  loadPointer(a, rax, ProductArgs.a);
  a.store64(FIRST_A, rax);
  loadPointer(a, rax, ProductArgs.c);
  a.store64(FIRST_C, rax);
  const overwrite = a.label();
  loadArg(a, rax, ProductArgs.scales);
  a.test(rax, rax);
  a.jcc('z', overwrite);
  a.add(rax, rdi);
  a.bind(overwrite);
  a.store64(FIRST_SCALES, rax);
  loadOptional(a, rax, ProductArgs.ahead);
  a.store64(BEHIND, rax);
  loadArg(a, rax, ProductArgs.panels);
  a.store64(PANELS_LEFT, rax);
  loadArg(a, A_STRIDE, ProductArgs.aStride);
  loadArg(a, B_NEXT, ProductArgs.bNext);
  loadArg(a, C_STRIDE, ProductArgs.cStride);
  loadArg(a, K, ProductArgs.k);
  for (const shape of shapes) panels(a, shape, panelBytes, tile);
  leave(a, LOCALS);
}

/** All rows × as many panels as fill the shape. */
function panels(a: Assembler, shape: Shape, panelBytes: number, emit: (shape: Shape, rows: number) => void): void {
  const [next, rows, tile, start, end] = [a.label(), a.label(), a.label(), a.label(), a.label()];
  if (!shape.main) {
    loadArg(a, rax, ProductArgs.rows);
    a.cmp(rax, shape.rows);
    a.jcc('a', end);
  }
  a.bind(start);
  a.load64(rax, PANELS_LEFT);
  a.sub(rax, shape.panels);
  a.jcc('l', end);
  a.store64(PANELS_LEFT, rax);
  a.load64(A, FIRST_A);
  a.load64(C, FIRST_C);
  a.load64(rax, FIRST_SCALES);
  a.store64(SCALES, rax);
  loadArg(a, rax, ProductArgs.rows);

  // From twice the tile's height full tiles, then two halves: rows are spread evenly.
  a.bind(rows);
  a.store64(ROWS_LEFT, rax);
  a.cmp(rax, shape.rows);
  a.jcc('be', tile);
  const halves = a.label();
  a.cmp(rax, 2 * shape.rows);
  a.jcc('b', halves);
  a.movImm(rax, shape.rows);
  a.jmp(tile);
  a.bind(halves);
  a.inc(rax);
  a.shr(rax, 1);
  a.bind(tile);
  const heights = Array.from({ length: shape.rows }, (_, i) => ({ rows: shape.rows - i, label: a.label() }));
  for (const { rows, label } of heights) {
    a.cmp(rax, rows);
    a.jcc('e', label);
  }
  for (const height of heights) {
    a.bind(height.label);
    emit(shape, height.rows);
    a.load64(rax, ROWS_LEFT);
    a.sub(rax, height.rows);
    a.jcc('nz', rows);
    a.jmp(next);
  }

  a.bind(next);
  a.imulImm(rax, B_NEXT, shape.panels);
  a.add(B, rax);
  a.load64(rax, FIRST_C);
  a.add(rax, panelBytes * shape.panels);
  a.store64(FIRST_C, rax);
  a.jmp(start);
  a.bind(end);
}

/** The distance of the fourth panel: tiles of four panels are low and leave a cursor free. */
const FOURTH = rdx;

/** Must come before `inPanel`, behind pointing the cursors. */
export function pointFourth(a: Assembler, panels: number): void {
  if (panels > 3) a.imulImm(FOURTH, B_NEXT, 3);
}

/** A place in one of four panels, of which the first is at `cursor`. */
export function inPanel(cursor: Gp, panel: number, offset: number): Mem {
  if (panel === 0) return mem(cursor, offset);
  return panel === 3 ? mem(cursor, offset, FOURTH) : mem(cursor, offset, B_NEXT, panel as 1 | 2);
}

/** Points AHEAD, from where a tile prefetches, at the panels behind its own, what lies behind the last, or further into these. */
export function pointAhead(a: Assembler, panels: number): void {
  const [last, begin] = [a.label(), a.label()];
  a.load64(rax, PANELS_LEFT);
  a.test(rax, rax);
  a.jcc('z', last);
  a.lea(AHEAD, mem(B, 0, B_NEXT, panels as Scale));
  a.jmp(begin);
  a.bind(last);
  a.load64(AHEAD, BEHIND);
  a.test(AHEAD, AHEAD);
  a.jcc('nz', begin);
  a.lea(AHEAD, mem(B, AHEAD_IN_PANEL));
  a.bind(begin);
}

/** Sums of 0; asks for what their place in c holds, if that is to be added. Overwrites the cursors and LEFT. */
export function startSums(a: Assembler, sums: Sums): void {
  for (const sum of sums.flat()) a.vpxor(sum, sum, sum);
  const overwrite = a.label();
  a.load64(LEFT, SCALES);
  a.test(LEFT, LEFT);
  a.jcc('z', overwrite);
  pointCursors(a, ROW_CURSORS, C, C_STRIDE, sums.length);
  for (const [r, row] of sums.entries()) {
    const bytes = (row.length * row[0].bits) / 8;
    for (let at = 0; at < bytes; at += 64) a.prefetcht0(inRow(ROW_CURSORS, C_STRIDE, r, at));
  }
  a.bind(overwrite);
}

/**
 * Stores the sums, plus scales · c where there are scales, and moves on to the rows that follow: in `a` the next ones,
 * or, where it is transposed, the next columns.
 */
export function storeSums(a: Assembler, sums: Sums, spread: Vec, transposed = false): void {
  pointCursors(a, ROW_CURSORS, C, C_STRIDE, sums.length);
  const overwrite = a.label();
  a.load64(LEFT, SCALES);
  a.test(LEFT, LEFT);
  a.jcc('z', overwrite);
  for (const [r, row] of sums.entries()) {
    a.vbroadcastss(spread, mem(LEFT, 4 * r));
    for (const [v, sum] of row.entries())
      a.vfmadd231ps(sum, spread, inRow(ROW_CURSORS, C_STRIDE, r, (v * sum.bits) / 8));
  }
  a.add(LEFT, 4 * sums.length);
  a.store64(SCALES, LEFT);
  a.bind(overwrite);
  for (const [r, row] of sums.entries()) {
    for (const [v, sum] of row.entries()) a.vmovups(inRow(ROW_CURSORS, C_STRIDE, r, (v * sum.bits) / 8), sum);
  }
  if (transposed) a.add(A, 4 * sums.length);
  else {
    a.imulImm(rax, A_STRIDE, sums.length);
    a.add(A, rax);
  }
  a.imulImm(rax, C_STRIDE, sums.length);
  a.add(C, rax);
}
