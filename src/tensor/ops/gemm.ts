/**
 * Products of f32 matrices in every orientation that training needs, and of f32 matrices with frozen weights of any held
 * type, whose values are widened to f32 block by block in scratch and never kept.
 *
 * Sums run over k in blocks that depend on k alone, within a block in order: a result depends neither on threads nor on
 * the rows and columns beside it.
 */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { GEMM_COLS, GemmFlags } from './gemm-constants.js';
import { HELD, type HeldType, isFloat, panelBytes } from './layout.js';

/** C (+)= A · B, all f32; strides count elements from a row to the next as it lies in memory. m, n, k are at least 1. */
export interface Gemm {
  m: number;
  n: number;
  k: number;
  /** [m, k], or [k, m] if transposeA. */
  a: number;
  aStride: number;
  transposeA?: boolean;
  /** [k, n], or [n, k] if transposeB. */
  b: number;
  bStride: number;
  transposeB?: boolean;
  /** [m, n]; overlaps neither A nor B. */
  c: number;
  cStride: number;
  /** Add to what C holds instead of replacing it. */
  accumulate?: boolean;
}

export function gemm(p: Program, args: Gemm): void {
  emit(p, { ...args, type: 'f32' });
}

export interface GemmExperts extends Gemm {
  experts: number;
  /** int32 [experts + 1], read when the operation runs: expert e has rows offsets[e] to offsets[e + 1]. */
  offsets: number;
  /**
   * What the experts share out. 'm': rows of A (not transposed) and of C, at most m; expert e multiplies them by
   * the matrix at b + e · matrixStride. 'k': rows of A (transposed) and of B (not transposed), at most k; expert e's
   * product goes to c + e · matrixStride, and is zero where it has no rows.
   */
  along: 'm' | 'k';
  /** In elements. */
  matrixStride: number;
}

/** A product for each expert, over the rows that are the expert's. */
export function gemmExperts(p: Program, args: GemmExperts): void {
  emit(p, { ...args, type: 'f32' });
}

export interface FrozenForward {
  type: HeldType;
  /** [rows, cols] as held in memory. */
  weights: number;
  /** f32 [tokens, cols]. */
  x: number;
  xStride: number;
  /** f32 [tokens, rows]. */
  y: number;
  yStride: number;
  tokens: number;
  rows: number;
  /** For quantised types a multiple of the type's block. */
  cols: number;
  accumulate?: boolean;
}

/** y (+)= x · Wᵀ in f32, with the weights' exact values: activations are not rounded as in `matmul`. */
export function frozenForward(p: Program, args: FrozenForward): void {
  const { type, weights, x, xStride, y, yStride, tokens, rows, cols, accumulate } = args;
  emit(p, {
    ...{ m: tokens, n: rows, k: cols, a: x, aStride: xStride, c: y, cStride: yStride, accumulate },
    ...{ type, b: weights, bStride: frozenStride(type, cols), transposeB: true },
  });
}

export interface FrozenBackward {
  type: HeldType;
  weights: number;
  /** f32 [tokens, rows]. */
  dy: number;
  dyStride: number;
  /** f32 [tokens, cols]. */
  dx: number;
  dxStride: number;
  tokens: number;
  rows: number;
  cols: number;
  accumulate?: boolean;
}

/** dx (+)= dy · W: the gradient of `frozenForward` by its input. */
export function frozenBackward(p: Program, args: FrozenBackward): void {
  const { type, weights, dy, dyStride, dx, dxStride, tokens, rows, cols, accumulate } = args;
  emit(p, {
    ...{ m: tokens, n: cols, k: rows, a: dy, aStride: dyStride, c: dx, cStride: dxStride, accumulate },
    ...{ type, b: weights, bStride: frozenStride(type, cols) },
  });
}

function frozenStride(type: HeldType, cols: number): number {
  return isFloat(type) ? cols : panelBytes(type, cols);
}

type Record = Gemm & { type: HeldType } & Partial<Pick<GemmExperts, 'experts' | 'offsets' | 'along' | 'matrixStride'>>;

function emit(p: Program, o: Record): void {
  const { m, n, k, along, experts = 0, offsets = 0, matrixStride = 0 } = o;
  // Experts are cut as if each had its share.
  const share = (count: number) => Math.max(1, Math.ceil(count / Math.max(1, experts)));
  const piece = split({ ...o, m: along === 'm' ? share(m) : m, k: along === 'k' ? share(k) : k });
  const colPieces = Math.ceil(n / piece.cols);
  const rowPieces = Math.ceil(m / piece.rows);
  const flags =
    (o.transposeA ? GemmFlags.transposeA : 0) |
    (o.transposeB ? GemmFlags.transposeB : 0) |
    (o.accumulate ? GemmFlags.accumulate : 0) |
    (along === 'k' ? GemmFlags.expertsAlongK : 0);
  let pieces = colPieces * rowPieces;
  if (along === 'k') pieces *= experts;
  // Experts' rows begin anywhere: beside the whole pieces each expert may have a part of one.
  else if (along === 'm') pieces = colPieces * (Math.min(experts, m) + Math.floor(m / piece.rows));
  p.emit(Op.gemm, pieces, [
    o.a,
    o.aStride,
    o.b,
    o.bStride,
    o.c,
    o.cStride,
    m,
    n,
    k,
    flags,
    HELD[o.type],
    piece.rows,
    piece.cols,
    colPieces,
    rowPieces,
    offsets,
    experts,
    matrixStride,
  ]);
}

/** An operation of so many products should have 2, 4, 8 and 16 pieces at least: larger pieces prepare less. */
const PIECES_FROM = [1e6, 16e6, 64e6, 256e6];
/** Rows of a tile, and columns that every type has whole blocks of. */
const TILE = 12;
const COLS = 32;

/** What preparing an element costs, in products: of A (read from memory, or copied), of B (packed, or widened). */
const COST = { a: 2, copiedA: 10, b: 10, frozenB: 24 };

/** Rows and columns of a piece: about as many pieces as are worth it, of the shape that costs least to prepare. */
function split({ m, n, k, type, transposeA }: Record): { rows: number; cols: number } {
  const products = m * n * k;
  const wanted = 2 ** PIECES_FROM.filter((from) => products >= from).length;
  // Two, four and eight members should end together.
  const shares = Math.min(8, wanted);
  const aCost = transposeA ? COST.copiedA : COST.a;
  const bCost = isFloat(type) ? COST.b : COST.frozenB;
  const fewest = Math.ceil(n / GEMM_COLS);
  const most = Math.min(Math.ceil(n / COLS), Math.max(fewest, 2 * wanted));
  let best = { rows: m, cols: n };
  let least = Infinity;
  for (let across = fewest; across <= most; across++) {
    const cols = Math.ceil(n / across / COLS) * COLS;
    const down = Math.ceil(wanted / across);
    const rows = Math.min(m, Math.ceil(m / down / TILE) * TILE);
    const pieces = Math.ceil(n / cols) * Math.ceil(m / rows);
    const idle = (Math.ceil(pieces / shares) * shares) / pieces;
    const cost = idle * (1 + bCost / rows + aCost / cols);
    if (cost < least) {
      least = cost;
      best = { rows, cols };
    }
  }
  return best;
}
