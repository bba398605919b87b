/**
 * The smallest thing that can be trained: a table of logits for each pair of tokens, computed in TypeScript, and an
 * optimiser with momentum. For tests of what surrounds a model: the loop, checkpoints, resuming.
 */
import { Arena } from '../src/tensor/arena.js';
import type { Optimizer, StepSettings } from '../src/train/optimizer.js';
import type { LearnOptions, Parameter, Trainable, TrainBatch } from '../src/train/trainable.js';

export class BigramModel implements Trainable {
  readonly arena: Arena;
  readonly definition: { vocabSize: number };
  readonly parameters: readonly Parameter[];
  /** Seeds of the batches that were learned from. */
  readonly seeds: number[] = [];

  constructor(private readonly vocabSize: number) {
    this.definition = { vocabSize };
    const n = vocabSize ** 2;
    this.arena = new Arena(0, 16 * n + 1024, 1);
    const [pointer, gradient, state] = [this.arena.alloc(4 * n), this.arena.alloc(4 * n), this.arena.alloc(8 * n)];
    this.parameters = [{ name: 'table', shape: [vocabSize, vocabSize], kind: 'matrix', n, pointer, gradient, state }];
  }

  get table(): Float32Array {
    return this.arena.floats(this.parameters[0].pointer, this.parameters[0].n);
  }

  get gradient(): Float32Array {
    return this.arena.floats(this.parameters[0].gradient, this.parameters[0].n);
  }

  run(): void {}

  forward(batch: TrainBatch): Float32Array {
    return this.#losses(batch, false);
  }

  accumulate(batch: TrainBatch, { seed = 0 }: LearnOptions = {}): Float32Array {
    this.seeds.push(seed);
    return this.#losses(batch, true);
  }

  zeroGrad(): void {
    this.gradient.fill(0);
  }

  gradNormSquared(): number {
    return this.gradient.reduce((sum, g) => sum + g * g, 0);
  }

  logits(ids: Int32Array): Float32Array {
    const out = new Float32Array(ids.length * this.vocabSize);
    ids.forEach((id, row) => {
      out.set(this.#row(id), row * this.vocabSize);
    });
    return out;
  }

  [Symbol.dispose](): void {}

  #row(id: number): Float32Array {
    return this.table.subarray(id * this.vocabSize, (id + 1) * this.vocabSize);
  }

  #losses({ ids, targets, weights }: TrainBatch, learn: boolean): Float32Array {
    const gradient = this.gradient;
    return new Float32Array(ids.length).map((_, row) => {
      if (targets[row] < 0) return 0;
      const exponentials = Array.from(this.#row(ids[row]), Math.exp);
      const sum = exponentials.reduce((a, b) => a + b, 0);
      if (learn) {
        exponentials.forEach((value, token) => {
          const wanted = token === targets[row] ? 1 : 0;
          gradient[ids[row] * this.vocabSize + token] += weights[row] * (value / sum - wanted);
        });
      }
      return -Math.log(exponentials[targets[row]] / sum);
    });
  }
}

/** Gradient descent with momentum: enough to need its state back after resuming. */
export class Momentum implements Optimizer {
  constructor(private readonly model: BigramModel) {}

  step({ learningRate, gradScale }: StepSettings): void {
    const { table, gradient } = this.model;
    const momentum = this.model.arena.floats(this.model.parameters[0].state, table.length);
    for (let i = 0; i < table.length; i++) {
      momentum[i] = 0.9 * momentum[i] + gradScale * gradient[i];
      table[i] -= learningRate * momentum[i];
    }
  }
}
