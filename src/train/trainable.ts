/**
 * What the trainer needs of a model: parameters that lie with their gradients and optimiser state in one arena, and
 * the loss of a batch. Optimisers record operations over those addresses; nothing here knows how gradients come about.
 */
import type { Arena } from '../tensor/arena.js';

/** One computation forward and backward: sequences, one after the other. */
export interface TrainBatch {
  /** [rows] tokens that the model sees. */
  readonly ids: Int32Array;
  /** [rows] what each row should predict; -1: nothing. */
  readonly targets: Int32Array;
  /** [rows] weight of each row's loss, 0 where the target is -1: gradients are of Σ weights · nll. */
  readonly weights: Float32Array;
  /** The sequences: attention stays within one, positions start at 0 in each. */
  readonly runs: readonly Run[];
}

export interface Run {
  row: number;
  rows: number;
}

/** A trained tensor; `pointer`, `gradient` and `state` are byte addresses in the model's arena. */
export interface Parameter {
  /** As the checkpoint, or PEFT, names it. */
  readonly name: string;
  /** Row-major, outermost first. */
  readonly shape: readonly number[];
  readonly kind: 'matrix' | 'embedding' | 'vector';
  /** Elements. */
  readonly n: number;
  readonly pointer: number;
  readonly gradient: number;
  /** Room for the optimiser, zero at first. */
  readonly state: number;
}

/** Another model's opinion, which takes part in the loss. */
export interface Teacher {
  /** Logits [rows, vocab] of the batch's rows from `from` on. */
  logits(from: number, rows: number): Float32Array;
  temperature: number;
  /** The teacher's share of the loss, 0 to 1; the rest is cross-entropy with the targets. */
  share: number;
}

export interface LearnOptions {
  /** Dropout and NEFTune depend on this number and the place alone. */
  seed?: number;
  teacher?: Teacher;
  /** False: no dropout and no NEFTune. Default true. */
  noisy?: boolean;
}

export interface Trainable extends Disposable {
  readonly definition: { readonly vocabSize: number };
  readonly parameters: readonly Parameter[];
  readonly arena: Arena;
  /** Runs what was recorded into `arena.program`. */
  run(): void;
  /** The loss of each row, without gradients and without noise. */
  forward(batch: TrainBatch): Float32Array;
  /** The loss of each row; adds the gradients of Σ weights · loss to the parameters'. */
  accumulate(batch: TrainBatch, options?: LearnOptions): Float32Array;
  zeroGrad(): void;
  /** Σ g² over all parameters. */
  gradNormSquared(): number;
  /** [tokens, vocab] of one sequence. */
  logits(ids: Int32Array): Float32Array;
}
