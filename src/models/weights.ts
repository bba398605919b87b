/**
 * Handles to a model's weights. Building a model asks a WeightSource for each tensor by the checkpoint's own name;
 * the source checks that it exists with the right shape and decides where its data live.
 */

/** One tensor; `at` is the executor's own (an address, a parameter). */
export interface Weight {
  readonly name: string;
  /** Row-major; a linear layer is [out, in], experts are [experts, out, in]. */
  readonly shape: readonly number[];
}

export interface Linear {
  readonly weight: Weight;
  readonly bias?: Vector;
  readonly out: number;
  readonly in: number;
}

/** A float32 tensor whatever the file's type: biases, norms, convolution kernels. */
export interface Vector extends Weight {
  readonly float: true;
}

export interface Norm {
  readonly weight: Vector;
  readonly eps: number;
  /** 1 where the file stores the weight less one ("zero-centred"). */
  readonly offset: 0 | 1;
}

export interface Experts {
  readonly router: Linear;
  readonly gate: Weight;
  readonly up: Weight;
  readonly down: Weight;
  readonly count: number;
  readonly topK: number;
  /** Rescale the chosen experts' weights to sum to 1. */
  readonly normalize: boolean;
  readonly hidden: number;
  readonly intermediate: number;
}

/** The two ways a source hands out tensors; everything else is built on them. */
export interface WeightSource {
  weight(name: string, shape: readonly number[]): Weight;
  vector(name: string, shape: readonly number[]): Vector;
  has(name: string): boolean;
  /** The values of a small tensor that shapes the computation itself (rope divisors). */
  values(name: string, length: number): Float32Array;
}

/** A source seen from below one prefix, with the few shapes models are made of. */
export class Weights {
  constructor(
    private readonly source: WeightSource,
    private readonly prefix = '',
  ) {}

  at(path: string | number): Weights {
    return new Weights(this.source, `${this.prefix}${path}.`);
  }

  has(name: string): boolean {
    return this.source.has(`${this.prefix}${name}`);
  }

  values(name: string, length: number): Float32Array {
    return this.source.values(`${this.prefix}${name}`, length);
  }

  weight(name: string, ...shape: number[]): Weight {
    return this.source.weight(`${this.prefix}${name}`, shape);
  }

  vector(name: string, ...shape: number[]): Vector {
    return this.source.vector(`${this.prefix}${name}`, shape);
  }

  /** A linear layer [out, in]; `bias` as the architecture has it. */
  linear(name: string, out: number, input: number, bias = false): Linear {
    const weight = this.weight(`${name}.weight`, out, input);
    return bias ? { weight, bias: this.vector(`${name}.bias`, out), out, in: input } : { weight, out, in: input };
  }

  norm(name: string, size: number, eps: number, offset: 0 | 1 = 0): Norm {
    return { weight: this.vector(`${name}.weight`, size), eps, offset };
  }
}
