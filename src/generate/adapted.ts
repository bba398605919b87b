/**
 * What adapters add to a linear layer's product: rows of sequences that chose one get B·(A·x) on top of W·x. The factors
 * are few and float32, so the weights themselves stay as they are, quantised or not, and rows of different adapters
 * share a step.
 */
import type { Weight } from '../models/weights.js';
import type { Arena } from '../tensor/arena.js';
import { matmul } from '../tensor/ops/matmul.js';
import type { HeldAdapter, HeldLayer } from './held-adapter.js';
import type { Part } from './runner.js';

/** Rows of a step whose sequences chose the same adapter. */
export interface AdaptedRows {
  readonly row: number;
  readonly rows: number;
  readonly adapter: HeldAdapter;
}

/** Of the rows of one product, those that one layer of an adapter changes. */
export interface AdaptedSpan {
  readonly row: number;
  readonly rows: number;
  readonly layer: HeldLayer;
}

const NONE: readonly AdaptedSpan[] = [];

/** Neighbours with the same adapter are one. */
export function adaptedRows(parts: readonly Part[]): AdaptedRows[] {
  const adapted: AdaptedRows[] = [];
  let row = 0;
  for (const { sequence, tokens } of parts) {
    const last = adapted.at(-1);
    const { adapter } = sequence;
    if (adapter && last?.adapter === adapter && last.row + last.rows === row) {
      adapted[adapted.length - 1] = { ...last, rows: last.rows + tokens.length };
    } else if (adapter) {
      adapted.push({ row, rows: tokens.length, adapter });
    }
    row += tokens.length;
  }
  return adapted;
}

/** The spans of a product with `weight` of the step's rows [first, first + count). */
export function spansFor(
  adapted: readonly AdaptedRows[],
  weight: Weight,
  first: number,
  count: number,
): readonly AdaptedSpan[] {
  if (adapted.length === 0) return NONE;
  const spans: AdaptedSpan[] = [];
  for (const { row, rows, adapter } of adapted) {
    const layer = adapter.layers.get(weight);
    const from = Math.max(row - first, 0);
    const to = Math.min(row + rows - first, count);
    if (layer && from < to) spans.push({ row: from, rows: to - from, layer });
  }
  return spans;
}

/** Adds a span's B·(A·x) and, where given, a bias to y; x is contiguous float32 of all rows, `yStride` in elements. */
export function addAdapter(
  arena: Arena,
  { row, rows, layer }: AdaptedSpan,
  x: number,
  y: number,
  yStride: number,
  asAlone: boolean,
  bias = 0,
): void {
  const { a, b, rank, in: input, out } = layer;
  const inner = arena.alloc(4 * rows * rank);
  const { program } = arena;
  matmul(program, {
    type: 'f32',
    weights: a,
    x: x + 4 * row * input,
    y: inner,
    tokens: rows,
    rows: rank,
    cols: input,
    asAlone,
  });
  matmul(program, {
    type: 'f32',
    weights: b,
    x: inner,
    bias,
    y: y + 4 * row * yStride,
    tokens: rows,
    rows: out,
    cols: rank,
    yStride,
    accumulate: true,
    asAlone,
  });
}
