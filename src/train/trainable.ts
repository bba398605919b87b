/**
 * What the trainer needs of a model: parameters that lie with their gradients and optimiser state in one arena, and
 * the loss of a batch. Optimisers record operations over those addresses; nothing here knows how gradients come about.
 */
import type { Arena } from '../tensor/arena.js';

/** One computation forward and backward: sequences, one after the other. */
export interface TrainBatch {
  /** [rows] tokens that the model sees. */
  ids: Int32Array;
  /** [rows] what each row should predict; -1: nothing. */
  targets: Int32Array;
  /** [rows] weight of each row's loss, 0 where the target is -1: gradients are of Σ weights · nll. */
  weights: Float32Array;
  /** The sequences: attention stays within one, positions start at 0 in each. */
  runs: readonly Run[];
  /** Dropout and NEFTune depend on this number and the place alone. */
  seed?: number;
}

export interface Run {
  row: number;
  rows: number;
}

/** A trained tensor; `value`, `grad` and `state` are byte addresses in the model's arena. */
export interface Parameter {
  /** As the checkpoint, or PEFT, names it. */
  readonly name: string;
  /** Row-major, outermost first. */
  readonly shape: readonly number[];
  readonly kind: 'matrix' | 'embedding' | 'vector';
  /** Elements. */
  readonly n: number;
  readonly value: number;
  readonly grad: number;
  /** Room for the optimiser, zero at first: n · optimizerBytesPerParameter bytes. */
  readonly state: number;
}

/** How logits of a teacher take part in the loss. */
export interface Teaching {
  /** [rows, vocab], a view that need not lie in this model's arena. */
  teacher: Float32Array;
  temperature: number;
  /** Share of the teacher's divergence in the loss; the rest is the targets' own. */
  share: number;
}

export interface Trainable extends Disposable {
  readonly vocabSize: number;
  readonly parameters: readonly Parameter[];
  readonly arena: Arena;
  /** Runs what was recorded into `arena.program`. */
  run(): void;
  /** The loss of each row, without gradients and without noise. */
  forward(batch: TrainBatch): Float32Array;
  /** The loss of each row; adds the gradients of Σ weights · loss to the parameters'. */
  accumulate(batch: TrainBatch, teaching?: Teaching): Float32Array;
  zeroGrad(): void;
  /** Σ g² over all parameters. */
  gradNormSquared(): number;
  /** [rows, vocab], one sequence from position 0. */
  logits(ids: Int32Array): Float32Array;
}
