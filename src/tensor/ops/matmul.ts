/** Matrix products with weights of any held type. What a piece computes depends on shapes only. */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { HELD, type HeldType, isFloat, panelBytes } from './layout.js';
import { PANEL } from './layout-constants.js';

export interface MatmulArgs {
  type: HeldType;
  /** The matrix as held in memory, rows × cols. */
  weights: number;
  /** f32 [tokens, cols] for float types, else the output of `quantize` with the type's `activationBits`. */
  x: number;
  /** f32 [rows], or 0 for none. */
  bias?: number;
  /** f32 [tokens, yStride]. */
  y: number;
  tokens: number;
  rows: number;
  /** Any number for float types, else a multiple of the type's block. */
  cols: number;
  /** Floats from one token's result to the next; default `rows`. */
  yStride?: number;
  /** Add to what `y` holds instead of replacing it. */
  accumulate?: boolean;
  /** Each token gets the bits that it would get alone; without, machine code packs float weights for many tokens. */
  asAlone?: boolean;
}

/** y[t, r] = Σ_c weights[r, c] · x[t, c] + bias[r], added to y where `accumulate` is set. */
export function matmul(p: Program, args: MatmulArgs): void {
  const { type, weights, x, bias = 0, y, tokens, rows, cols, yStride = rows, accumulate = false, asAlone } = args;
  const perPiece = asAlone && isFloat(type) ? FEW_TOKENS : TOKENS_PER_PIECE;
  const { panelsPerPiece, rowPieces } = split(type, tokens, rows, cols);
  const pieces = rowPieces * Math.ceil(tokens / perPiece);
  p.emit(Op.matmul, pieces, [
    weights,
    x,
    bias,
    y,
    tokens,
    rows,
    cols,
    yStride,
    accumulate ? 1 : 0,
    HELD[type],
    panelsPerPiece,
    rowPieces,
    perPiece,
    // No offsets: records are written over older ones, so what the kernel reads must be set.
    0,
  ]);
}

export interface MatmulExpertsArgs {
  type: HeldType;
  /** Expert e's matrix starts at weights + e × expertStride bytes. */
  weights: number;
  expertStride: number;
  experts: number;
  /** Rows sorted by expert: f32 [maxTokens, cols] or quantised, as for `matmul`. */
  x: number;
  /** f32 [maxTokens, rows]. */
  y: number;
  /** int32 [experts + 1], read when the operation runs: expert e has rows offsets[e] to offsets[e + 1] of x and y. */
  offsets: number;
  /** At least offsets[experts]: tokens × experts a token. */
  maxTokens: number;
  rows: number;
  cols: number;
}

/** y[i] = weights[expert of i] · x[i]. An expert without rows is not read. */
export function matmulExperts(p: Program, args: MatmulExpertsArgs): void {
  const { type, weights, expertStride, experts, x, y, offsets, maxTokens, rows, cols } = args;
  const { panelsPerPiece, rowPieces } = split(type, Math.ceil(maxTokens / experts), rows, cols);
  // Pieces number the experts that have rows, of which there are at most maxTokens.
  p.emit(Op.matmul, rowPieces * Math.min(experts, maxTokens), [
    weights,
    x,
    0,
    y,
    maxTokens,
    rows,
    cols,
    rows,
    0,
    HELD[type],
    panelsPerPiece,
    rowPieces,
    maxTokens,
    offsets,
    expertStride,
    experts,
  ]);
}

const TOKENS_PER_PIECE = 512;
/** Up to so many tokens, machine code reads float weights where they lie, a token in one order whatever is beside it. */
const FEW_TOKENS = 32;

/** Work of a piece: weights streamed (bytes) or products computed, whichever takes longer; 5 to 15 µs. */
const PIECE_BYTES = 262_144;
const PIECE_PRODUCTS = 2_000_000;
/** From so many tokens on, machine code takes panels in pairs, so that each load of activations serves both. */
const PAIRS_FROM = 16;

function split(type: HeldType, tokens: number, rows: number, cols: number) {
  const panels = Math.ceil(rows / PANEL);
  const products = PANEL * cols * Math.min(tokens, TOKENS_PER_PIECE);
  const work = panels * Math.max(panelBytes(type, cols) / PIECE_BYTES, products / PIECE_PRODUCTS);
  // Larger matrices in multiples of eight, which two, four and eight members share evenly.
  const pieces = work < 2 ? Math.ceil(4 * work) : 8 * Math.ceil(work / 8);
  const unit = tokens >= PAIRS_FROM && panels >= 8 ? 2 : 1;
  const panelsPerPiece = Math.max(1, Math.floor(panels / pieces / unit)) * unit;
  return { panelsPerPiece, rowPieces: Math.ceil(panels / panelsPerPiece) };
}
