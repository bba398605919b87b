/**
 * Products of f32 matrices in every orientation that training needs, and of f32 matrices with frozen weights of any held
 * type, whose values are widened to f32 block by block in scratch and never kept.
 *
 * Sums run over k in blocks, within a block in order, and the blocks depend on the shape alone, never on threads; without
 * `work` on k alone, so that a row's result does not depend on the rows beside it.
 */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { GEMM_COLS, GEMM_DEPTH, GemmFlags } from './gemm-constants.js';
import { HELD, type HeldType, isFloat, panelBytes } from './layout.js';
import { rowsPerPiece } from './pieces.js';

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
  /**
   * `gemmWork` bytes: a small C of a deep product is computed in parts of k, which are added up, so that A and B are
   * read once and enough pieces remain.
   */
  work?: number;
}

export function gemm(p: Program, args: Gemm): void {
  emit(p, { ...args, type: 'f32' });
}

/** Bytes of `work` for a product of such a shape; may be 0. */
export function gemmWork(args: Pick<Gemm, 'm' | 'n' | 'k' | 'transposeA' | 'transposeB'>): number {
  return workOf({ ...args, type: 'f32' });
}

export interface GemmExperts extends Omit<Gemm, 'work'> {
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
  /** `frozenBackwardWork` bytes, as for `gemm`. */
  work?: number;
}

/** dx (+)= dy · W: the gradient of `frozenForward` by its input. */
export function frozenBackward(p: Program, args: FrozenBackward): void {
  const { type, weights, dy, dyStride, dx, dxStride, tokens, rows, cols, accumulate, work } = args;
  emit(p, {
    ...{ m: tokens, n: cols, k: rows, a: dy, aStride: dyStride, c: dx, cStride: dxStride, accumulate },
    ...{ type, b: weights, bStride: frozenStride(type, cols), work },
  });
}

/** Bytes of `work` for `frozenBackward`; may be 0. */
export function frozenBackwardWork(args: Pick<FrozenBackward, 'type' | 'tokens' | 'rows' | 'cols'>): number {
  return workOf({ type: args.type, m: args.tokens, n: args.cols, k: args.rows });
}

function frozenStride(type: HeldType, cols: number): number {
  return isFloat(type) ? cols : panelBytes(type, cols);
}

type Shape = Pick<Gemm, 'm' | 'n' | 'k' | 'transposeA'> & { type: HeldType };
type Record = Gemm & { type: HeldType } & Partial<Pick<GemmExperts, 'experts' | 'offsets' | 'along' | 'matrixStride'>>;

function emit(p: Program, o: Record): void {
  const { m, n, k, along, experts = 0, offsets = 0, work = 0 } = o;
  // Experts are cut as if each had its share.
  const share = (count: number) => Math.max(1, Math.ceil(count / Math.max(1, experts)));
  const piece = split({ ...o, m: along === 'm' ? share(m) : m, k: along === 'k' ? share(k) : k }, work !== 0);
  const colPieces = Math.ceil(n / piece.cols);
  const rowPieces = Math.ceil(m / piece.rows);
  const parts = along ? 1 : Math.ceil(k / piece.depth);
  const flags =
    (o.transposeA ? GemmFlags.transposeA : 0) |
    (o.transposeB ? GemmFlags.transposeB : 0) |
    (o.accumulate && parts === 1 ? GemmFlags.accumulate : 0) |
    (along === 'k' ? GemmFlags.expertsAlongK : 0);
  let pieces = colPieces * rowPieces * parts;
  if (along === 'k') pieces *= experts;
  // Experts' rows begin anywhere: beside the whole pieces each expert may have a part of one.
  else if (along === 'm') pieces = colPieces * (Math.min(experts, m) + Math.floor(m / piece.rows));
  const [c, cStride] = parts > 1 ? [work, n] : [o.c, o.cStride];
  const matrixStride = parts > 1 ? m * n : (o.matrixStride ?? 0);
  p.emit(Op.gemm, pieces, [
    o.a,
    o.aStride,
    o.b,
    o.bStride,
    c,
    cStride,
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
    piece.depth,
  ]);
  if (parts === 1) return;
  const rows = rowsPerPiece(m, n * parts, SUM_ELEMENTS);
  p.emit(Op.gemmSum, Math.ceil(m / rows), [work, parts, m, n, o.c, o.cStride, o.accumulate ? 1 : 0, rows]);
}

function workOf(shape: Shape): number {
  const parts = Math.ceil(shape.k / split(shape, true).depth);
  return parts > 1 ? 4 * parts * shape.m * shape.n : 0;
}

/** An operation of so many products should have 2, 4, 8 and 16 pieces at least: larger pieces prepare less. */
const PIECES_FROM = [1e6, 16e6, 64e6, 256e6];
/** Rows of a tile, and columns that every type has whole blocks of. */
const TILE = 12;
const COLS = 32;
/** Elements that a piece of a sum reads. */
const SUM_ELEMENTS = 65_536;

/**
 * What it costs, in products, to prepare an element: of A (read from memory, or copied), of B (packed, or widened), of
 * a part of C (written, read again and added).
 */
const COST = { a: 5, copiedA: 10, b: 10, frozenB: 24, part: 30 };

/**
 * Rows, columns and steps of k of a piece: about as many pieces as are worth it, of the shape that costs least to
 * prepare. Only `divisible` products may have pieces that are not as deep as k.
 */
function split(
  { m, n, k, type, transposeA }: Shape,
  divisible: boolean,
): { rows: number; cols: number; depth: number } {
  const products = m * n * k;
  const wanted = 2 ** PIECES_FROM.filter((from) => products >= from).length;
  // Two, four and eight members should end together.
  const shares = Math.min(8, wanted);
  const aCost = transposeA ? COST.copiedA : COST.a;
  const bCost = isFloat(type) ? COST.b : COST.frozenB;
  const fewest = Math.ceil(n / GEMM_COLS);
  const most = Math.min(Math.ceil(n / COLS), Math.max(fewest, 2 * wanted));
  let best = { rows: m, cols: n, depth: k };
  let least = Infinity;
  for (let parts = 1; parts <= (divisible ? wanted : 1); parts *= 2) {
    const depth = parts === 1 ? k : Math.ceil(k / parts / GEMM_DEPTH) * GEMM_DEPTH;
    const partCost = parts === 1 ? 0 : COST.part / depth;
    for (let across = fewest; across <= most; across++) {
      const cols = Math.ceil(n / across / COLS) * COLS;
      const down = Math.ceil(wanted / across / parts);
      const rows = Math.min(m, Math.ceil(m / down / TILE) * TILE);
      const pieces = Math.ceil(n / cols) * Math.ceil(m / rows) * Math.ceil(k / depth);
      const idle = (Math.ceil(pieces / shares) * shares) / pieces;
      const cost = idle * (1 + bCost / rows + aCost / cols + partCost);
      if (cost < least) {
        least = cost;
        best = { rows, cols, depth };
      }
    }
  }
  return best;
}
