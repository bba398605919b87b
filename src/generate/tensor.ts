/**
 * What the executor passes from operation to operation. A tensor may be *pending*: its operation is known, but
 * recorded only when somebody reads the tensor, in the form that the reader wants. So a norm that only quantised
 * weights read leaves quantised blocks and never floats, and a norm that only a rotation reads becomes part of it.
 *
 * Before the memory that pending tensors read from changes, they must be settled.
 */
import { KaiwenError } from '../errors.js';
import type { HeadNorm } from '../tensor/ops/rope.js';

/** How a pending tensor is made. Each function records the operation and returns where its result will be. */
export interface Recipe {
  floats(): number;
  /** Only operations that can leave blocks of so many bits. */
  quantized?(bits: 8 | 16): number;
  /** This tensor is a norm of each of `heads` parts of `source`. */
  headNorm?: HeadNorm & { source: Tensor; heads: number };
}

/** Float32 [rows, columns], rows `stride` elements apart. */
export class Tensor {
  private readonly copies = { 8: 0, 16: 0 };
  private recipe?: Recipe;
  /** Somebody has read it, in whatever form. */
  private read = false;

  constructor(
    private address: number,
    readonly rows: number,
    readonly columns: number,
    readonly stride = columns,
    /** The columns are so many groups, each `period` elements after the one before. */
    readonly groups = 1,
    readonly period = columns / groups,
  ) {}

  /** Contiguous rows that `recipe` will make. */
  static pending(rows: number, columns: number, recipe: Recipe): Tensor {
    const tensor = new Tensor(0, rows, columns);
    tensor.recipe = recipe;
    return tensor;
  }

  /** Where the floats are. */
  get pointer(): number {
    this.read = true;
    if (this.address === 0) this.address = this.open().floats();
    return this.address;
  }

  /** Where the copy quantised to so many bits is: made once, by the tensor's own operation or from floats. */
  quantized(bits: 8 | 16, quantize: (floats: number) => number): number {
    this.read = true;
    if (this.copies[bits] === 0) {
      const own = this.address === 0 ? this.open().quantized : undefined;
      this.copies[bits] = own ? own(bits) : quantize(this.pointer);
    }
    return this.copies[bits];
  }

  /** The norm of `heads` parts that this tensor is, if nobody has needed it as such: its reader may compute it. */
  takeHeadNorm(heads: number): Recipe['headNorm'] {
    const norm = this.recipe?.headNorm;
    if (this.read || norm?.heads !== heads) return undefined;
    this.read = true;
    return norm;
  }

  /** Records a tensor that nobody has read yet; afterwards its recipe is gone. */
  settle(): void {
    if (!this.read) this.address = this.open().floats();
    this.recipe = undefined;
  }

  private open(): Recipe {
    if (!this.recipe)
      throw new KaiwenError('internal', 'A tensor was wanted in another form after its source changed.');
    return this.recipe;
  }
}
