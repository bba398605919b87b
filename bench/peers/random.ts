/**
 * Random tensor data of any type: norms are ones, everything else is cut from a pool of four million normally
 * distributed values, quantised once for each type, starting anywhere. Nothing but the pools is held.
 */
import { type TensorSource, tensorBytes } from '../../src/formats/gguf-writer.js';
import { QUANT, quantizeTensor } from '../../src/formats/quant/index.js';
import { byteLength, DTYPES, type DType } from '../../src/tensor/dtype.js';
import { type ReadOnlyType, randomBlocks } from './blocks.js';

const POOL_ELEMENTS = 1 << 22;

export class RandomTensors {
  private readonly pools = new Map<DType, Uint8Array>();
  private readonly values: Float32Array;
  private readonly next = generator(1);

  constructor(deviation: number) {
    this.values = Float32Array.from({ length: POOL_ELEMENTS }, () => deviation * normal(this.next));
  }

  /** The tensor's bytes, piece by piece. */
  *pieces(tensor: Pick<TensorSource, 'name' | 'dtype' | 'shape'>): Generator<Uint8Array> {
    let left = tensorBytes(tensor);
    if (tensor.shape.length === 1 && !tensor.name.endsWith('.bias')) {
      yield new Uint8Array(new Float32Array(left / 4).fill(1).buffer);
      return;
    }
    const pool = this.pool(tensor.dtype);
    const block = DTYPES[tensor.dtype].bytes;
    while (left > 0) {
      const start = block * Math.floor(this.next() * (pool.length / block));
      const piece = pool.subarray(start, start + left);
      yield piece;
      left -= piece.length;
    }
  }

  private pool(dtype: DType): Uint8Array {
    let pool = this.pools.get(dtype);
    if (!pool) {
      if (QUANT[dtype].quantize) {
        pool = new Uint8Array(byteLength(dtype, POOL_ELEMENTS));
        quantizeTensor(dtype, this.values, pool);
      } else {
        pool = randomBlocks(dtype as ReadOnlyType, POOL_ELEMENTS, this.next);
      }
      this.pools.set(dtype, pool);
    }
    return pool;
  }
}

/** Numbers in [0, 1), the same in every run: a 32-bit state through a mixing function. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let x = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** Box and Muller's method. */
function normal(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}
