/**
 * The f32 matrix product of attention, of float weights and of training, as machine code: c = a · b, or
 * c = scales · c + a · b, where b lies in panels of 16 columns, [k][16] of f32 or f16, and a in rows, or in columns of
 * which each holds the values of one k (arguments: ProductArgs).
 *
 * A tile keeps its sums in registers while k passes: values of `a` are read one at a time and spread over the lanes,
 * a row of each panel is read once for all rows of the tile. Every element of c is one chain of fused multiply-adds in
 * the order of k, whatever tile it falls into, so a row's results do not depend on how many rows there are.
 */
import { type Assembler, mem, type Vec, ymm, zmm } from './assembler.js';
import type { Isa } from './isa.js';
import { advanceCursors, inRow, pointCursors } from './rows.js';
import {
  A,
  A_STRIDE,
  AHEAD,
  B,
  B_CURSOR,
  emitTiles,
  inPanel,
  K,
  LEFT,
  pointAhead,
  pointFourth,
  ROW_CURSORS,
  type Shape,
  startSums,
  storeSums,
} from './tiles.js';
import { widen } from './widen.js';

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

/** b in f32. */
export function product(a: Assembler, isa: Isa): void {
  emitTiles(a, SHAPES[isa.bits], 64, (shape, rows) => tile(a, isa, 'f32', shape, rows));
}

/** a in columns, b in f32: a tile reads neighbouring values of a together. */
export function productTransposed(a: Assembler, isa: Isa): void {
  emitTiles(a, SHAPES[isa.bits], 64, (shape, rows) => tile(a, isa, 'f32', shape, rows, true));
}

/** b in f16: a cache of keys and values, which few rows stream from memory. */
export function productHalf(a: Assembler, isa: Isa): void {
  emitTiles(a, SHAPES[isa.bits], 64, (shape, rows) => tile(a, isa, 'f16', shape, rows));
}

function tile(a: Assembler, isa: Isa, type: 'f32' | 'f16', { panels }: Shape, rows: number, transposed = false): void {
  const reg = isa.bits === 512 ? zmm : ymm;
  const bytes = isa.bits / 8;
  const width = (panels * 64) / bytes;
  const sums = Array.from({ length: rows }, (_, r) => Array.from({ length: width }, (_, v) => reg(r * width + v)));
  const row: Vec[] = Array.from({ length: width }, (_, v) => reg(rows * width + v));
  const spread = reg(rows * width + width);

  startSums(a, sums);
  if (type === 'f16') pointAhead(a, panels);

  const [loop, done] = [a.label(), a.label()];
  pointCursors(a, ROW_CURSORS, A, A_STRIDE, transposed ? 1 : rows);
  a.mov(B_CURSOR, B);
  a.mov(LEFT, K);
  a.test(LEFT, LEFT);
  a.jcc('z', done);
  pointFourth(a, panels);
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
    a.vbroadcastss(spread, transposed ? mem(ROW_CURSORS[0], 4 * r) : inRow(ROW_CURSORS, A_STRIDE, r));
    for (let v = 0; v < width; v++) a.vfmadd231ps(sums[r][v], spread, row[v]);
  }
  if (transposed) a.add(ROW_CURSORS[0], A_STRIDE);
  else advanceCursors(a, ROW_CURSORS, rows, 4);
  a.add(B_CURSOR, rowBytes);
  a.dec(LEFT);
  a.jcc('nz', loop);
  a.bind(done);
  storeSums(a, sums, spread, transposed);
}
