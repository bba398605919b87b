/**
 * The weights of a checkpoint as the engine holds them: which type, how many bytes, in which arena. Asking for a
 * weight checks name and shape against the file; nothing is read until `loadWeights` (load-weights.ts), so that a
 * model that cannot fit is refused before memory is allocated.
 */
import { KaiwenError } from '../errors.js';
import type { Checkpoint, TensorInfo } from '../formats/checkpoint.js';
import { label } from '../formats/label.js';
import { exactTarget, QUANT } from '../formats/quant/index.js';
import type { Linear, Vector, Weight, WeightSource } from '../models/weights.js';
import type { Arena } from '../tensor/arena.js';
import { DTYPES } from '../tensor/dtype.js';
import { type HeldType, heldBytes } from '../tensor/ops/layout.js';

/** A weight with its place. Matrices of `rows` × `columns`; experts are `count` of them, `stride` bytes apart. */
export interface HeldWeight extends Vector {
  readonly tensor: TensorInfo;
  readonly type: HeldType;
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
  readonly bytes: number;
  /** The layer it belongs to: -1 for what comes before the first. */
  readonly layer: number;
  arena: Arena;
  pointer: number;
}

export class CheckpointWeights implements WeightSource {
  readonly held: HeldWeight[] = [];
  private layer = -1;

  constructor(private readonly checkpoint: Checkpoint) {}

  /** Weights asked for from now on belong to layer `index`. */
  readonly enterLayer = (index: number): void => {
    this.layer = index;
  };

  has(name: string): boolean {
    return this.checkpoint.tensors.has(name);
  }

  weight(name: string, shape: readonly number[]): Weight {
    const tensor = this.find(name, shape);
    const columns = shape[shape.length - 1];
    const { block } = DTYPES[tensor.dtype];
    if (columns % block !== 0) {
      throw new KaiwenError(
        'bad_file',
        `${tensor.file}: rows of tensor "${name}" have ${columns} values, not a multiple of ${tensor.dtype}'s ${block}.`,
      );
    }
    const count = shape.length === 3 ? shape[0] : 1;
    return this.hold(
      tensor,
      shape,
      exactTarget(tensor.dtype) as HeldType,
      count,
      shape[shape.length - 2] ?? 1,
      columns,
    );
  }

  vector(name: string, shape: readonly number[]): Vector {
    const tensor = this.find(name, shape);
    return this.hold(tensor, shape, 'f32', 1, 1, product(shape));
  }

  values(name: string, length: number): Float32Array {
    const tensor = this.find(name, [length]);
    const bytes = new Uint8Array(tensor.byteLength);
    this.checkpoint.read(tensor, bytes);
    const out = new Float32Array(length);
    QUANT[tensor.dtype].dequantize(bytes, out);
    return out;
  }

  /**
   * Throws 'bad_file' if the file's layers hold a tensor that the model did not ask for: a configuration that counts
   * too few layers or names another architecture would give a model that answers nonsense.
   */
  checkAllUsed(): void {
    const used = new Set(this.held.map(({ name }) => name));
    for (const { name, file } of this.checkpoint.tensors.values()) {
      if (used.has(name) || !/^(?:model\.layers|transformer\.h)\./.test(name)) continue;
      // Old checkpoints carry this table, which the configuration gives as well.
      if (name.endsWith('.rotary_emb.inv_freq')) continue;
      throw new KaiwenError(
        'bad_file',
        `${file}: the tensor "${label(name)}" is no part of the model that the configuration describes.`,
        {
          remedy: 'Configuration and weights do not belong together: get both again.',
        },
      );
    }
  }

  private hold(
    tensor: TensorInfo,
    shape: readonly number[],
    type: HeldType,
    count: number,
    rows: number,
    columns: number,
  ): HeldWeight {
    const stride = heldBytes(type, rows, columns);
    const weight: HeldWeight = {
      ...{ float: true, name: tensor.name, shape, tensor, type, count, rows, columns, stride },
      ...{ bytes: stride * count, layer: this.layer },
      arena: undefined as unknown as Arena, // set when the model is placed, before anything computes
      pointer: 0,
    };
    this.held.push(weight);
    return weight;
  }

  private find(name: string, shape: readonly number[]): TensorInfo {
    const tensor = this.checkpoint.tensors.get(name);
    if (!tensor) {
      throw new KaiwenError('bad_file', `${this.checkpoint.path}: the tensor "${name}" is missing.`, {
        remedy: 'The file may be incomplete or of another architecture than its configuration says: get it again.',
      });
    }
    const squeeze = (s: readonly number[]) => s.filter((n) => n !== 1).join('×');
    if (squeeze(tensor.shape) !== squeeze(shape)) {
      throw new KaiwenError(
        'bad_file',
        `${tensor.file}: the tensor "${name}" has shape ${tensor.shape.join('×')}; the configuration says ${shape.join('×')}.`,
        { remedy: 'Configuration and weights do not belong together: get both again.' },
      );
    }
    return tensor;
  }
}

function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** Where a vector lies; 0 for none. */
export function pointerOf(vector: Vector | undefined): number {
  return vector ? (vector as HeldWeight).pointer : 0;
}

/** Whether layers lie in memory as the rows of one matrix. Placing a model puts them so wherever their panels are whole. */
export function areNeighbours(layers: readonly Linear[]): boolean {
  return layers.every((layer, i) => {
    if (i === 0) return true;
    const before = layers[i - 1];
    const [a, b] = [before.weight as HeldWeight, layer.weight as HeldWeight];
    if (a.type !== b.type || before.in !== layer.in || before.out % 16 !== 0) return false;
    if (a.arena !== b.arena || a.pointer + a.bytes !== b.pointer) return false;
    if (!before.bias || !layer.bias) return !before.bias && !layer.bias;
    return pointerOf(before.bias) + 4 * before.out === pointerOf(layer.bias);
  });
}
