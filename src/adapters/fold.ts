/**
 * The arithmetic of an adapter: W' = W + B·A, where B holds the scale already, and for DoRA each row of W' brought to
 * its trained length, m / ‖W'‖ (arXiv:2402.09353). Sums in float64, so that merging adds no error of its own.
 */
import type { Checkpoint, JsonObject } from '../formats/checkpoint.js';
import { architectureOfConfig } from '../formats/gguf-config.js';
import { toGgufName } from '../formats/gguf-names.js';
import { orderFor, type TensorOrder } from '../formats/reorder.js';
import type { Factors } from './adapter.js';

/** Adds the change to `rows`, which are rows [first, …) of a matrix with `columns` columns; in place. */
export function foldRows(rows: Float32Array, columns: number, first: number, { a, b, magnitude }: Factors): void {
  const rank = a.length / columns;
  const count = rows.length / columns;
  const sum = new Float64Array(columns);
  for (let i = 0; i < count; i++) {
    const row = rows.subarray(i * columns, (i + 1) * columns);
    sum.set(row);
    for (let k = 0; k < rank; k++) {
      const factor = b[(first + i) * rank + k];
      if (factor === 0) continue;
      const from = k * columns;
      for (let c = 0; c < columns; c++) sum[c] += factor * a[from + c];
    }
    if (magnitude) {
      const scale = gain(sum, magnitude[first + i]);
      for (let c = 0; c < columns; c++) sum[c] *= scale;
    }
    row.set(sum);
  }
}

/** A row of zeros has no direction to lengthen. */
function gain(row: Float64Array, magnitude: number): number {
  let squares = 0;
  for (let c = 0; c < row.length; c++) squares += row[c] * row[c];
  return squares === 0 ? 0 : magnitude / Math.sqrt(squares);
}

/** An adapter's factors, whose rows and columns are Hugging Face's, in the order in which `base` keeps this tensor. */
export function inOrderOf(base: Checkpoint, tensor: string, shape: readonly number[], factors: Factors): Factors {
  return permuted(orderOf(base, tensor, shape), shape, factors);
}

/** The reverse: factors in the order of a model that was opened from GGUF, as Hugging Face keeps them. */
export function inFileOrder(config: JsonObject, tensor: string, shape: readonly number[], factors: Factors): Factors {
  const rule = toGgufName(architectureOfConfig(config, tensor), tensor)?.rule;
  return permuted(rule ? orderFor(rule, shape, config, 'safetensors') : {}, shape, factors);
}

/** From the base's positions to Hugging Face's. */
function orderOf(base: Checkpoint, tensor: string, shape: readonly number[]): TensorOrder {
  const { kaiwen_rope_interleaved: interleaved, kaiwen_value_heads_tiled: tiled, ...config } = base.config;
  if (interleaved !== true && tiled !== true) return {};
  const rule = toGgufName(architectureOfConfig(base.config, base.path), tensor)?.rule;
  return rule ? orderFor(rule, shape, config, 'gguf') : {};
}

function permuted({ rows, columns }: TensorOrder, shape: readonly number[], factors: Factors): Factors {
  const { a, b, magnitude } = factors;
  const rank = a.length / shape[1];
  return {
    a: columns ? permute(a, rank, shape[1], 1, columns) : a,
    b: rows ? permute(b, 1, shape[0], rank, rows) : b,
    magnitude: magnitude && rows ? permute(magnitude, 1, shape[0], 1, rows) : magnitude,
  };
}

/** x is [outer, size, inner]: position i along the middle takes what was at order(i). */
function permute(
  x: Float32Array,
  outer: number,
  size: number,
  inner: number,
  order: (i: number) => number,
): Float32Array {
  const y = new Float32Array(x.length);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < size; i++) {
      const from = (o * size + order(i)) * inner;
      y.set(x.subarray(from, from + inner), (o * size + i) * inner);
    }
  }
  return y;
}
