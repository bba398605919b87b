/** Losses over a vocabulary. Logits and their gradient share one memory: it is the largest of a training step. */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { rowsPerPiece } from './pieces.js';

const ELEMENTS = 1 << 13;

export interface CrossEntropy {
  /** f32 [rows, vocab]. Overwritten by the gradient, if that is wanted. */
  logits: number;
  rows: number;
  vocab: number;
  /** int32 [rows]: the id each row should predict; below 0 (or not below vocab) none. */
  targets: number;
  /** f32 [rows]: of the rows in the loss whose gradient it is, Σ weights · nll. */
  weights: number;
  /** f32 [rows]. */
  nll: number;
  gradient: boolean;
}

/**
 * nll[r] = −log softmax(logits[r])[targets[r]], 0 without a target. With `gradient` the logits become
 * weights[r] · (softmax(logits[r]) − onehot(targets[r])), zeros without a target; else they stay.
 */
export function crossEntropy(p: Program, o: CrossEntropy): void {
  const per = rowsPerPiece(o.rows, o.vocab, ELEMENTS);
  const ints = [o.logits, o.rows, o.vocab, o.targets, o.weights, o.nll, o.gradient ? 1 : 0, per];
  p.emit(Op.crossEntropy, Math.ceil(o.rows / per), ints);
}

export interface KlDivergence {
  /** The student's, f32 [rows, vocab]. Overwritten by the gradient, if that is wanted. */
  logits: number;
  /** f32 [rows, vocab]. */
  teacher: number;
  rows: number;
  vocab: number;
  /** f32 [rows]; a row of weight 0 has no loss. */
  weights: number;
  /** f32 [rows], not weighted. */
  loss: number;
  temperature: number;
  gradient: boolean;
}

/**
 * Distillation (arXiv:1503.02531): loss[r] = T² · KL(softmax(teacher / T) ‖ softmax(logits / T)). With `gradient` the logits
 * become the gradient of Σ weights · loss.
 */
export function klDivergence(p: Program, o: KlDivergence): void {
  const per = rowsPerPiece(o.rows, o.vocab, ELEMENTS);
  const ints = [o.logits, o.teacher, o.rows, o.vocab, o.weights, o.loss, o.gradient ? 1 : 0, per];
  p.emit(Op.klDivergence, Math.ceil(o.rows / per), ints, [o.temperature]);
}
