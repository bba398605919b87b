/** Optimisers: how gradients change parameters. What they remember lies beside each parameter in the arena. */
import { adamw } from '../tensor/ops/optimizer.js';
import type { Parameter, Trainable } from './trainable.js';

export interface OptimizerSettings {
  betas: readonly [number, number];
  epsilon: number;
  /** Pulls matrices towards zero; embeddings and vectors (norms, biases) are left alone. */
  weightDecay: number;
}

export interface StepSettings {
  /** From 1. */
  step: number;
  learningRate: number;
  /** Gradients are multiplied by it (clipping). */
  gradScale: number;
}

export interface Optimizer {
  step(settings: StepSettings): void;
}

/** Bytes that every optimiser here keeps beside a trained number. */
export const STATE_BYTES = 8;

/** Adam with decoupled weight decay, as PyTorch computes it. */
export class AdamW implements Optimizer {
  constructor(
    private readonly model: Trainable,
    private readonly settings: OptimizerSettings,
    private readonly parameters: readonly Parameter[] = model.parameters,
  ) {}

  step({ step, learningRate, gradScale }: StepSettings): void {
    const { betas, epsilon, weightDecay } = this.settings;
    const { program } = this.model.arena;
    for (const { kind, pointer, gradient, state, n } of this.parameters) {
      if (program.count === program.capacity) this.model.run();
      adamw(program, {
        ...{ w: pointer, g: gradient, m: state, v: state + 4 * n, n },
        ...{ lr: learningRate, beta1: betas[0], beta2: betas[1], eps: epsilon, step, gradScale, moments: 'f32' },
        weightDecay: kind === 'matrix' ? weightDecay : 0,
      });
    }
    this.model.run();
  }
}
