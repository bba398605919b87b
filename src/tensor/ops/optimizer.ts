import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { columnsPerPiece } from './pieces.js';

const ELEMENTS = 1 << 14;

export interface AdamW {
  /** Weights, f32 [n], updated. */
  w: number;
  /** Gradients, f32 [n]. */
  g: number;
  /** First and second moments, [n] of f32 or bf16, updated. All zeros before the first step. */
  m: number;
  v: number;
  n: number;
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  /** From 1. */
  step: number;
  /** Gradients are multiplied by it: clipping, and means over accumulated batches. */
  gradScale: number;
  /**
   * bf16 is rounded to nearest even: steps of less than 1/512 of a moment are lost, so a second moment does not fall
   * with a beta2 above 0.996.
   */
  moments: 'f32' | 'bf16';
}

/** One step of Adam with decoupled weight decay (arXiv:1711.05101), as PyTorch's AdamW computes it. */
export function adamw(p: Program, o: AdamW): void {
  const { w, g, m, v, n, lr, beta1, beta2, gradScale } = o;
  const per = columnsPerPiece(n, ELEMENTS);
  const floats = [
    lr * o.weightDecay,
    beta1,
    (1 - beta1) * gradScale,
    beta2,
    (1 - beta2) * gradScale ** 2,
    lr / (1 - beta1 ** o.step),
    1 / Math.sqrt(1 - beta2 ** o.step),
    o.eps,
  ];
  p.emit(Op.adamw, Math.ceil(n / per), [w, g, m, v, n, per, o.moments === 'bf16' ? 1 : 0], floats);
}
