/**
 * The parameters of a model that is trained: where each lies in the arena, with its gradient and optimiser state if it is
 * trained. A frozen matrix may stay in a quantised form (QLoRA, arXiv:2305.14314).
 */
import { KaiwenError } from '../errors.js';
import type { Vector, Weight, WeightSource } from '../models/weights.js';
import type { Arena } from '../tensor/arena.js';
import { type HeldType, heldBytes } from '../tensor/ops/layout.js';
import type { Lora } from './lora.js';

export class Parameter implements Vector {
  readonly float = true;
  /** Matrices of rows × columns; experts are `count` of them. */
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
  /** Addresses; 0 before it is placed, and for what a frozen parameter has not. */
  pointer = 0;
  gradient = 0;
  state = 0;
  lora?: Lora;

  constructor(
    /** Hugging Face's name, PEFT's for adapters. */
    readonly name: string,
    readonly shape: readonly number[],
    readonly kind: 'matrix' | 'embedding' | 'vector',
    public type: HeldType,
    public trained: boolean,
  ) {
    this.count = shape.length === 3 ? shape[0] : 1;
    this.rows = shape.length === 1 ? 1 : (shape.at(-2) as number);
    this.columns = shape.at(-1) as number;
  }

  /** Number of values. */
  get n(): number {
    return this.count * this.rows * this.columns;
  }

  /** Takes its memory from the arena; `stateBytes` for each trained value. */
  place(arena: Arena, stateBytes: number): void {
    this.pointer = arena.alloc(this.count * heldBytes(this.type, this.rows, this.columns));
    if (!this.trained) return;
    this.gradient = arena.alloc(4 * this.n);
    this.state = stateBytes > 0 ? arena.alloc(stateBytes * this.n) : 0;
  }
}

export function parameterOf(weight: Weight): Parameter {
  return weight as Parameter;
}

/** What a model's code asks for, as parameters that nobody has placed yet. */
export class ParameterSource implements WeightSource {
  readonly all: Parameter[] = [];

  /** `shapeOf`: the shape that a checkpoint has for a name; without it every name exists but an untied output head. */
  constructor(
    private readonly trained: boolean,
    private readonly shapeOf?: (name: string) => readonly number[] | undefined,
    private readonly readValues?: (name: string, length: number) => Float32Array,
  ) {}

  has(name: string): boolean {
    return this.shapeOf ? this.shapeOf(name) !== undefined : false;
  }

  weight(name: string, shape: readonly number[]): Weight {
    const isEmbedding = /(?:embed_tokens|wte|lm_head)\.weight$/.test(name);
    return this.add(name, shape, isEmbedding ? 'embedding' : 'matrix');
  }

  vector(name: string, shape: readonly number[]): Vector {
    return this.add(name, [shape.reduce((a, b) => a * b, 1)], 'vector');
  }

  values(name: string, length: number): Float32Array {
    if (this.readValues) return this.readValues(name, length);
    throw new KaiwenError('unsupported', `A new model cannot have the tensor "${name}".`);
  }

  private add(name: string, shape: readonly number[], kind: Parameter['kind']): Parameter {
    const parameter = new Parameter(name, shape, kind, 'f32', this.trained);
    this.all.push(parameter);
    return parameter;
  }
}
