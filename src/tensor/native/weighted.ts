/**
 * Attention's weights × the values of the 8-bit cache as machine code: c = a · b, or c = scales · c + a · b
 * (arguments: ProductArgs), where b lies in panels of 32 dimensions. A panel is blocks of 16 positions: 16 f16 scales,
 * then [16][32] int8 (kernels/kv-int8.ts). Values are widened to f32 and multiplied by their scale once for a tile.
 */
import { type Assembler, broadcast, mem, rsp, type Vec, ymm, zmm } from './assembler.js';
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
  LEFT as POSITION,
  pointAhead,
  pointFourth,
  ROW_CURSORS,
  type Shape,
  startSums,
  storeSums,
  TILE_LOCALS,
} from './tiles.js';

const POSITIONS = 16;
const DIMS = 32;
const BLOCK_BYTES = POSITIONS * (2 + DIMS);

const SHAPES: Record<Isa['bits'], readonly Shape[]> = {
  // Few rows need several panels to keep enough sums under way.
  512: [
    { panels: 4, rows: 2, main: false },
    { panels: 2, rows: 6, main: false },
    { panels: 1, rows: 12, main: true },
  ],
  256: [{ panels: 1, rows: 2, main: true }],
};

const LEFT = mem(rsp, TILE_LOCALS);
const BLOCK_END = mem(rsp, TILE_LOCALS + 8);
const SCALES = TILE_LOCALS + 16;

export function weighted8(a: Assembler, isa: Isa): void {
  emitTiles(a, SHAPES[isa.bits], 4 * DIMS, (shape, rows) => tile(a, isa, shape, rows));
}

function tile(a: Assembler, isa: Isa, { panels }: Shape, rows: number): void {
  const reg = isa.bits === 512 ? zmm : ymm;
  const lanes = isa.bits / 32;
  const perPanel = DIMS / lanes;
  const width = panels * perPanel;
  const sums = Array.from({ length: rows }, (_, r) => Array.from({ length: width }, (_, v) => reg(r * width + v)));
  const values: Vec[] = Array.from({ length: width }, (_, v) => reg(rows * width + v));
  const spread = reg(rows * width + width);
  const scale = reg(rows * width + width + 1);
  startSums(a, sums);
  pointAhead(a, panels);

  const [block, whole, loop, done] = [a.label(), a.label(), a.label(), a.label()];
  pointCursors(a, ROW_CURSORS, A, A_STRIDE, rows);
  a.mov(B_CURSOR, B);
  a.store64(LEFT, K);
  pointFourth(a, panels);
  a.bind(block);
  a.load64(POSITION, LEFT);
  a.test(POSITION, POSITION);
  a.jcc('z', done);
  a.cmp(POSITION, POSITIONS);
  a.jcc('be', whole);
  a.movImm(POSITION, POSITIONS);
  a.bind(whole);
  a.store64(BLOCK_END, POSITION);
  for (let panel = 0; panel < panels; panel++) {
    for (let at = 0; at < BLOCK_BYTES; at += 64) a.prefetcht0(inPanel(AHEAD, panel, at));
  }
  a.add(AHEAD, BLOCK_BYTES);
  for (let panel = 0; panel < panels; panel++) {
    for (let at = 0; at < POSITIONS; at += lanes) {
      a.vcvtph2ps(scale, inPanel(B_CURSOR, panel, 2 * at));
      a.vmovups(mem(rsp, SCALES + 64 * panel + 4 * at), scale);
    }
  }
  a.add(B_CURSOR, 2 * POSITIONS);
  a.movImm(POSITION, 0);
  a.align(32);
  a.bind(loop);
  values.forEach((value, v) => {
    const panel = Math.floor(v / perPanel);
    const ownScale = mem(rsp, SCALES + 64 * panel, POSITION, 4);
    if (isa.bits === 256 && v % perPanel === 0) a.vbroadcastss(scale, ownScale);
    a.vpmovsxbd(value, inPanel(B_CURSOR, panel, (v % perPanel) * lanes));
    a.vcvtdq2ps(value, value);
    a.vmulps(value, value, isa.bits === 512 ? broadcast(ownScale) : scale);
  });
  for (let r = 0; r < rows; r++) {
    a.vbroadcastss(spread, inRow(ROW_CURSORS, A_STRIDE, r));
    for (let v = 0; v < width; v++) a.vfmadd231ps(sums[r][v], spread, values[v]);
  }
  advanceCursors(a, ROW_CURSORS, rows, 4);
  a.add(B_CURSOR, DIMS);
  a.inc(POSITION);
  a.cmpMem(POSITION, BLOCK_END);
  a.jcc('b', loop);
  a.load64(POSITION, LEFT);
  a.sub(POSITION, POSITIONS);
  a.store64(LEFT, POSITION);
  a.jcc('g', block);
  a.bind(done);
  storeSums(a, sums, spread);
}
