/**
 * The f32 matrix product of attention, of float weights and of training, as machine code: c = a · b, or
 * c = scales · c + a · b, where b lies in panels of 16 columns, [k][16] of f32 or f16 (arguments: ProductArgs).
 *
 * A tile keeps its sums in registers while k passes: values of `a` are read one at a time and spread over the lanes,
 * a row of each panel is read once for all rows of the tile. Every element of c is one chain of fused multiply-adds in
 * the order of k, whatever tile it falls into, so a row's results do not depend on how many rows there are. What c held
 * is asked for when a tile begins and added when it ends.
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
  ymm,
  zmm,
} from './assembler.js';
import { enter, leave, loadArg, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { ProductArgs } from './kernels.js';
import { advanceCursors, inRow, pointCursors } from './rows.js';
import { widen } from './widen.js';

/** Tiles of `panels` side by side, of up to `rows` rows, as many as there are registers for. */
interface Shape {
  panels: number;
  rows: number;
  /** Whether products of more rows than that use the shape too. */
  main: boolean;
}

const SHAPES: Record<Isa['bits'], readonly Shape[]> = {
  // Few rows need several panels to keep enough sums under way.
  512: [
    { panels: 4, rows: 6, main: false },
    { panels: 2, rows: 12, main: true },
    { panels: 1, rows: 12, main: true },
  ],
  256: [
    { panels: 2, rows: 2, main: false },
    { panels: 1, rows: 6, main: true },
  ],
};

// Registers of the whole kernel; what else it keeps is on the stack.
const [A, A_STRIDE, B, B_NEXT, C, C_STRIDE, SCALES, K] = [r8, r9, r10, r11, r12, r13, r14, rbp];
/** Cursors of a tile: `a` (then `c`) in every third row, b, and what remains of k. */
const ROW_CURSORS = [rax, rbx, rcx, rdx];
const FOURTH = rdx;
/** Instead of scales, where b is f16: the panels that come next, to be prefetched. */
const AHEAD = SCALES;
const [B_CURSOR, LEFT] = [r15, rdi];

/** How far ahead the last panels of halves are asked for. */
const PREFETCH = 1024;

const LOCALS = 48;
const ROWS_LEFT = mem(rsp, 0);
const PANELS_LEFT = mem(rsp, 8);
const FIRST_A = mem(rsp, 16);
const FIRST_C = mem(rsp, 24);
const FIRST_SCALES = mem(rsp, 32);

/** b in f32. */
export function product(a: Assembler, isa: Isa): void {
  emitProduct(a, isa, 'f32');
}

/** b in f16, c overwritten (no scales): a cache of keys and values, which few rows stream from memory. */
export function productHalf(a: Assembler, isa: Isa): void {
  emitProduct(a, isa, 'f16');
}

function emitProduct(a: Assembler, isa: Isa, type: 'f32' | 'f16'): void {
  enter(a, LOCALS);
  loadPointer(a, B, ProductArgs.b);
  loadPointer(a, rax, ProductArgs.a);
  a.store64(FIRST_A, rax);
  loadPointer(a, rax, ProductArgs.c);
  a.store64(FIRST_C, rax);
  if (type === 'f32') {
    const overwrite = a.label();
    loadArg(a, rax, ProductArgs.scales);
    a.test(rax, rax);
    a.jcc('z', overwrite);
    a.add(rax, rdi);
    a.bind(overwrite);
    a.store64(FIRST_SCALES, rax);
  }
  loadArg(a, rax, ProductArgs.panels);
  a.store64(PANELS_LEFT, rax);
  loadArg(a, A_STRIDE, ProductArgs.aStride);
  loadArg(a, B_NEXT, ProductArgs.bNext);
  loadArg(a, C_STRIDE, ProductArgs.cStride);
  loadArg(a, K, ProductArgs.k);
  for (const shape of SHAPES[isa.bits]) panels(a, isa, type, shape);
  leave(a, LOCALS);
}

/** All rows × as many panels as fill the shape. */
function panels(a: Assembler, isa: Isa, type: 'f32' | 'f16', shape: Shape): void {
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
  if (type === 'f32') a.load64(SCALES, FIRST_SCALES);
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
    productTile(a, isa, type, shape, height.rows);
    a.load64(rax, ROWS_LEFT);
    a.sub(rax, height.rows);
    a.jcc('nz', rows);
    a.jmp(next);
  }

  a.bind(next);
  a.imulImm(rax, B_NEXT, shape.panels);
  a.add(B, rax);
  a.load64(rax, FIRST_C);
  a.add(rax, 64 * shape.panels);
  a.store64(FIRST_C, rax);
  a.jmp(start);
  a.bind(end);
}

/** `rows` rows × the shape's panels; moves A, C and SCALES past the rows. */
function productTile(a: Assembler, isa: Isa, type: 'f32' | 'f16', { panels }: Shape, rows: number): void {
  const reg = isa.bits === 512 ? zmm : ymm;
  const bytes = isa.bits / 8;
  const width = (panels * 64) / bytes;
  const sums = Array.from({ length: rows }, (_, r) => Array.from({ length: width }, (_, v) => reg(r * width + v)));
  const row: Vec[] = Array.from({ length: width }, (_, v) => reg(rows * width + v));
  const spread = reg(rows * width + width);

  for (const sum of sums.flat()) a.vpxor(sum, sum, sum);
  if (type === 'f32') prefetchOld(a, panels, rows);
  else prefetchNext(a, panels);

  const [loop, done] = [a.label(), a.label()];
  pointCursors(a, ROW_CURSORS, A, A_STRIDE, rows);
  a.mov(B_CURSOR, B);
  a.mov(LEFT, K);
  a.test(LEFT, LEFT);
  a.jcc('z', done);
  // Tiles of four panels are low and leave a cursor free for the distance of the fourth.
  if (panels > 3) a.imulImm(FOURTH, B_NEXT, 3);
  a.align(32);
  a.bind(loop);
  const rowBytes = type === 'f32' ? 64 : 32;
  for (let v = 0; v < width; v++) {
    const lane = (v * bytes) / 64;
    widen(a, type, row[v], inPanel(B_CURSOR, Math.floor(lane), (lane % 1) * rowBytes));
  }
  if (type === 'f16') {
    for (let panel = 0; panel < panels; panel++) a.prefetcht0(inPanel(AHEAD, panel, 0));
    a.add(AHEAD, rowBytes);
  }
  for (let r = 0; r < rows; r++) {
    a.vbroadcastss(spread, inRow(ROW_CURSORS, A_STRIDE, r));
    for (let v = 0; v < width; v++) a.vfmadd231ps(sums[r][v], spread, row[v]);
  }
  advanceCursors(a, ROW_CURSORS, rows, 4);
  a.add(B_CURSOR, rowBytes);
  a.dec(LEFT);
  a.jcc('nz', loop);
  a.bind(done);

  pointCursors(a, ROW_CURSORS, C, C_STRIDE, rows);
  if (type === 'f32') addOld(a, sums, spread);
  for (let r = 0; r < rows; r++) {
    for (let v = 0; v < width; v++) a.vmovups(inRow(ROW_CURSORS, C_STRIDE, r, bytes * v), sums[r][v]);
  }
  a.imulImm(rax, A_STRIDE, rows);
  a.add(A, rax);
  a.imulImm(rax, C_STRIDE, rows);
  a.add(C, rax);
}

/** A place in one of four panels, of which the first is at `cursor`. */
function inPanel(cursor: Gp, panel: number, offset: number): Mem {
  if (panel === 0) return mem(cursor, offset);
  return panel === 3 ? mem(cursor, offset, FOURTH) : mem(cursor, offset, B_NEXT, panel as 1 | 2);
}

/** Asks for what the tile's place in c holds, if that is to be added. */
function prefetchOld(a: Assembler, panels: number, rows: number): void {
  const overwrite = a.label();
  a.test(SCALES, SCALES);
  a.jcc('z', overwrite);
  pointCursors(a, ROW_CURSORS, C, C_STRIDE, rows);
  for (let r = 0; r < rows; r++) {
    for (let panel = 0; panel < panels; panel++) a.prefetcht0(inRow(ROW_CURSORS, C_STRIDE, r, 64 * panel));
  }
  a.bind(overwrite);
}

/** Adds scales · c, where there are scales. The cursors are at c; moves SCALES past the rows. */
function addOld(a: Assembler, sums: readonly (readonly Vec[])[], spread: Vec): void {
  const overwrite = a.label();
  a.test(SCALES, SCALES);
  a.jcc('z', overwrite);
  for (const [r, row] of sums.entries()) {
    a.vbroadcastss(spread, mem(SCALES, 4 * r));
    for (const [v, sum] of row.entries()) {
      a.vfmadd231ps(sum, spread, inRow(ROW_CURSORS, C_STRIDE, r, (v * sum.bits) / 8));
    }
  }
  a.add(SCALES, 4 * sums.length);
  a.bind(overwrite);
}

/** Points AHEAD at the panels behind the tile's, or, if there are none, further into these. */
function prefetchNext(a: Assembler, panels: number): void {
  const [last, begin] = [a.label(), a.label()];
  a.load64(rax, PANELS_LEFT);
  a.test(rax, rax);
  a.jcc('z', last);
  a.lea(AHEAD, mem(B, 0, B_NEXT, panels as Scale));
  a.jmp(begin);
  a.bind(last);
  a.lea(AHEAD, mem(B, PREFETCH));
  a.bind(begin);
}
