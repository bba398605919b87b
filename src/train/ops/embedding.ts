/** Rows of the embedding table, with uniform noise in training if asked (NEFTune, arXiv:2310.05914). */
import type { Weight } from '../../models/weights.js';
import { embed } from '../../tensor/ops/embed.js';
import { embedBackward } from '../../tensor/ops/embed-backward.js';
import { addNoise } from '../../tensor/ops/random.js';
import type { Graph } from '../graph.js';
import { parameterOf } from '../parameters.js';
import type { Value } from '../value.js';

/** `ids`: int32 [tokens] in the arena. `noise`: α of NEFTune, 0 for none. */
export function embedding(graph: Graph, table: Weight, ids: number, tokens: number, noise: number): Value {
  const weight = parameterOf(table);
  const { program } = graph;
  const { rows, columns: cols } = weight;
  const y = graph.value(tokens, cols, weight.trained);
  embed(program, { type: weight.type, table: weight.pointer, ids, out: y.pointer, tokens, rows, cols });
  if (noise > 0 && graph.step.noisy) {
    const amount = noise / Math.sqrt(graph.step.sequences.longest * cols);
    addNoise(program, { x: y.pointer, y: y.pointer, n: tokens * cols, amount, seed: graph.step.seed });
  }
  graph.onBackward(y, () => {
    embedBackward(program, { ids, dy: y.gradient, dw: weight.gradient, tokens, rows, cols });
  });
  return y;
}
