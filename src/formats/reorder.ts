/**
 * Where GGUF orders rows or columns differently from Hugging Face: as a function from the position in the tensor
 * that is written to the position in the one that is read.
 */
import type { JsonObject } from './checkpoint.js';
import type { TensorRule } from './gguf-names.js';

export type Reorder = (position: number) => number;

export interface TensorOrder {
  rows?: Reorder;
  columns?: Reorder;
}

/**
 * The reordering of one tensor on its way to `target`; empty where both sides agree, which `config` tells by
 * `kaiwen_rope_interleaved` and `kaiwen_value_heads_tiled`.
 */
export function orderFor(
  { order }: TensorRule,
  shape: readonly number[],
  config: JsonObject,
  target: 'gguf' | 'safetensors',
): TensorOrder {
  if (!order) return {};
  const wanted = target === 'gguf';
  if (order === 'rope') {
    if ((config.kaiwen_rope_interleaved === true) === wanted) return {};
    const size = Number(config.head_dim);
    return { rows: wanted ? interleave(size) : deinterleave(size) };
  }
  const keys = Number(config.linear_num_key_heads);
  const values = Number(config.linear_num_value_heads);
  const tiled = config.kaiwen_value_heads_tiled === true;
  if (!(values > keys) || tiled === wanted) return {};
  const heads = wanted ? tile(keys, values / keys) : tile(values / keys, keys);
  const size = Number(config.linear_value_head_dim);
  switch (order) {
    case 'value-columns':
      return { columns: inUnits(heads, size) };
    case 'value-rows-after-qk': {
      const first = 2 * keys * Number(config.linear_key_head_dim);
      const after = inUnits(heads, size);
      return { rows: (row) => (row < first ? row : first + after(row - first)) };
    }
    case 'value-rows':
      // One row a head (gates), or one a value channel.
      return { rows: inUnits(heads, shape[0] / values) };
  }
}

/** Applies an order of units to positions within units of `size`. */
function inUnits(order: Reorder, size: number): Reorder {
  return (position) => order(Math.floor(position / size)) * size + (position % size);
}

/** Half-split rotary order to interleaved, within each head: new row 2i + h was row h·size/2 + i. */
function interleave(size: number): Reorder {
  return (row) => {
    const within = row % size;
    return row - within + (within & 1) * (size / 2) + (within >> 1);
  };
}

function deinterleave(size: number): Reorder {
  return (row) => {
    const within = row % size;
    return row - within + 2 * (within % (size / 2)) + Math.floor(within / (size / 2));
  };
}

/** The transpose of `groups` × `members`: new position j is member j div groups of group j mod groups. */
function tile(groups: number, members: number): Reorder {
  return (j) => (j % groups) * members + Math.floor(j / groups);
}
