/** Distillation (arXiv:1503.02531): a student learns what a teacher thinks likely, beside what the text says. */
import type { PlannedBatch } from './batches.js';
import { NextToken, type Objective, type SeededBatch, type Sums, weigh } from './objective.js';
import type { Run, Trainable } from './trainable.js';

export interface TeacherModel {
  readonly definition: { readonly vocabSize: number };
  /** Calls `use` with the logits of a few rows at a time, in order. */
  eachLogits(ids: Int32Array, runs: readonly Run[], use: (from: number, logits: Float32Array) => void): void;
}

export interface DistillSettings {
  temperature: number;
  /** The teacher's share of the loss. */
  share: number;
}

/** The loss that is reported is the text's own, so that it can be compared with other runs. */
export class Distillation implements Objective {
  readonly #plain: NextToken;
  readonly #vocab: number;
  /** [rows, vocab] of the batch that is learned. */
  readonly #logits: Float32Array;

  /** `rows`: most that a batch has. */
  constructor(
    private readonly model: Trainable,
    private readonly teacher: TeacherModel,
    rows: number,
    private readonly settings: DistillSettings,
  ) {
    this.#plain = new NextToken(model);
    this.#vocab = model.definition.vocabSize;
    this.#logits = new Float32Array(rows * this.#vocab);
  }

  units(batch: PlannedBatch): number {
    return this.#plain.units(batch);
  }

  learn(batch: SeededBatch, units: number): Sums {
    const vocab = this.#vocab;
    this.teacher.eachLogits(batch.ids, batch.runs, (from, logits) => this.#logits.set(logits, from * vocab));
    const logits = (from: number, rows: number) => this.#logits.subarray(from * vocab, (from + rows) * vocab);
    const weights = batch.weights.map((weight) => weight / units);
    const losses = this.model.accumulate(
      { ...batch, weights },
      { seed: batch.seed, teacher: { logits, ...this.settings } },
    );
    return { loss: weigh(losses, batch.weights) };
  }

  measure(batch: PlannedBatch): Sums {
    return this.#plain.measure(batch);
  }
}
