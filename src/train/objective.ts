/** What is minimised. The plain one: the mean loss of the targets, each with its weight. */
import type { PlannedBatch } from './batches.js';
import type { Trainable } from './trainable.js';

/** Sums over a batch; divided by the units of the whole step they are the step's means. */
export interface Sums {
  loss: number;
  /** What else is worth a curve, by name. */
  more?: Record<string, number>;
}

/** A batch with a number that its noise (dropout, NEFTune) depends on. */
export type SeededBatch = PlannedBatch & { seed: number };

export interface Objective {
  /** What the loss is a mean over: how many of it a batch has. */
  units(batch: PlannedBatch): number;
  /** Adds the gradients of the batch's part of the mean over `units`. */
  learn(batch: SeededBatch, units: number): Sums;
  /** The same sums without gradients. */
  measure(batch: PlannedBatch): Sums;
}

/** Mean negative log-likelihood of the targets. */
export class NextToken implements Objective {
  constructor(private readonly model: Trainable) {}

  units({ weight }: PlannedBatch): number {
    return weight;
  }

  learn(batch: SeededBatch, units: number): Sums {
    const weights = batch.weights.map((weight) => weight / units);
    return { loss: weigh(this.model.accumulate({ ...batch, weights }, { seed: batch.seed }), batch.weights) };
  }

  measure(batch: PlannedBatch): Sums {
    return { loss: weigh(this.model.forward(batch), batch.weights) };
  }
}

/** Σ weights · losses. */
export function weigh(losses: Float32Array, weights: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) if (weights[i] !== 0) sum += weights[i] * losses[i];
  return sum;
}
