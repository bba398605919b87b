/**
 * An adapter in the arenas: the factors of each layer beside the weight that they change. As with weights, nothing is
 * read before the whole is known to fit.
 */
import type { Adapter, AdapterLayer, Factors } from '../adapters/adapter.js';
import { inOrderOf } from '../adapters/fold.js';
import { KaiwenError } from '../errors.js';
import type { Checkpoint } from '../formats/checkpoint.js';
import { tensorPieces } from '../formats/pieces.js';
import type { ModelDefinition } from '../models/model.js';
import type { Weight } from '../models/weights.js';
import { align } from '../tensor/arena.js';
import { matmul } from '../tensor/ops/matmul.js';
import type { Team } from '../tensor/team.js';
import type { AdapterInfo } from './engine.js';
import type { HeldWeight } from './weights.js';

/** One layer's factors. Addresses are in the arena of `weight`. */
export interface HeldLayer {
  readonly weight: HeldWeight;
  readonly source: AdapterLayer;
  readonly rank: number;
  readonly in: number;
  readonly out: number;
  /** f32 [rank, in]. */
  a: number;
  /** f32 [out, rank], with the scale and, for DoRA, the gain of each row in it. */
  b: number;
  /** f32 [out] that DoRA multiplies the product with the weight by; 0 without DoRA. */
  gain: number;
}

export class HeldAdapter {
  private constructor(
    readonly name: string,
    readonly layers: ReadonlyMap<Weight, HeldLayer>,
    private readonly adapter: Adapter,
  ) {}

  /** Finds the weights that `adapter` changes. Throws KaiwenError where it does not fit, or changes single experts. */
  static find(
    name: string,
    adapter: Adapter,
    checkpoint: Checkpoint,
    model: ModelDefinition,
    held: readonly HeldWeight[],
  ): HeldAdapter {
    const byTensor = new Map(held.map((weight) => [weight.tensor, weight]));
    const layers = new Map<Weight, HeldLayer>();
    for (const [source, tensor] of adapter.check(checkpoint)) {
      const weight = source.tensor === 'lm_head.weight' ? (model.head.weight as HeldWeight) : byTensor.get(tensor);
      if (source.expert !== undefined || !weight) {
        throw new KaiwenError('unsupported', `${adapter.path}: it changes single experts of "${source.tensor}".`, {
          remedy: 'Merge it into the model first: kaiwen merge.',
        });
      }
      const { rank, in: input, out } = source;
      layers.set(weight, { weight, source, rank, in: input, out, a: 0, b: 0, gain: 0 });
    }
    return new HeldAdapter(name, layers, adapter);
  }

  get info(): AdapterInfo {
    const { config, parameters } = this.adapter;
    const kind = config.dora ? 'DoRA' : config.rslora ? 'rsLoRA' : 'LoRA';
    const bytes = [...this.layers.values()].reduce((sum, layer) => sum + layerBytes(layer), 0);
    return { name: this.name, kind, rank: config.rank, parameters, bytes };
  }

  /** Allocates and reads every layer; the weights have been placed. */
  load(checkpoint: Checkpoint, team: Team): void {
    for (const layer of this.layers.values()) {
      const { weight, source, out } = layer;
      const { arena } = weight;
      const shape = [out, layer.in];
      const factors = inOrderOf(checkpoint, weight.name, shape, this.adapter.read(source));
      layer.a = arena.put(factors.a);
      if (factors.magnitude) {
        const gains = rowGains(checkpoint, layer, factors, team);
        for (let i = 0; i < factors.b.length; i++) factors.b[i] *= gains[Math.floor(i / layer.rank)];
        layer.gain = arena.put(gains);
      }
      layer.b = arena.put(factors.b);
    }
  }
}

/** Bytes that a layer takes in its arena. */
export function layerBytes({ rank, in: input, out, source }: HeldLayer): number {
  return align(4 * rank * input) + align(4 * out * rank) + (source.isDora ? align(4 * out) : 0);
}

/**
 * What DoRA multiplies each row of W + B·A by: its trained length over the length it has, which follows from products
 * with A alone: ‖w + b·A‖² = ‖w‖² + 2 b·(A·w) + b·(A·Aᵀ)·bᵀ.
 */
function rowGains(checkpoint: Checkpoint, { weight, rank, a }: HeldLayer, factors: Factors, team: Team): Float32Array {
  const { arena, columns } = weight;
  const gram = products(factors.a, rank, columns);
  const gains = new Float32Array(weight.rows);
  let row = 0;
  for (const piece of tensorPieces(checkpoint, weight.tensor, 'f32')) {
    const values = new Float32Array(piece.slice().buffer);
    const rows = values.length / columns;
    const mark = arena.mark;
    const y = arena.alloc(4 * rank * rows);
    const weights = arena.put(values);
    matmul(arena.program, { type: 'f32', weights, x: a, y, tokens: rank, rows, cols: columns });
    team.run(arena);
    const dots = arena.floats(y, rank * rows);
    for (let i = 0; i < rows; i++, row++) {
      let squares = 0;
      for (let c = i * columns; c < (i + 1) * columns; c++) squares += values[c] * values[c];
      const b = factors.b.subarray(row * rank, (row + 1) * rank);
      for (let k = 0; k < rank; k++) {
        let sum = 2 * dots[k * rows + i];
        for (let m = 0; m < rank; m++) sum += gram[k * rank + m] * b[m];
        squares += b[k] * sum;
      }
      // A row of zeros has no direction to lengthen.
      gains[row] = squares > 0 ? factors.magnitude![row] / Math.sqrt(squares) : 0;
    }
    arena.release(mark);
  }
  return gains;
}

/** A·Aᵀ of a matrix of so many rows. */
function products(a: Float32Array, rows: number, columns: number): Float64Array {
  const gram = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    for (let j = i; j < rows; j++) {
      let sum = 0;
      for (let c = 0; c < columns; c++) sum += a[i * columns + c] * a[j * columns + c];
      gram[i * rows + j] = sum;
      gram[j * rows + i] = sum;
    }
  }
  return gram;
}

/** The adapter that a request names, if it names one. Throws KaiwenError 'not_found'. */
export function adapterNamed(
  { adapters }: { readonly adapters: readonly HeldAdapter[] },
  name: string | undefined,
): HeldAdapter | undefined {
  if (name === undefined) return undefined;
  const adapter = adapters.find((other) => other.name === name);
  if (adapter) return adapter;
  const known = adapters.map((other) => other.name).join(', ');
  throw new KaiwenError('not_found', `No adapter "${name.slice(0, 200)}" is loaded.`, {
    remedy: known === '' ? 'Load it with --adapter.' : `Loaded: ${known}.`,
  });
}
