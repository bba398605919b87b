/**
 * Makes GGUF files of random weights in bench/peers/models/, as `kaiwen convert` would write them but for one thing:
 * one piece of four million random values is quantised once, and tensors are filled from it, starting anywhere.
 * Files that are there already are kept.
 *
 *   npx tsx bench/peers/models.ts [SHAPE TYPE]...      default: Qwen3-0.6B in q8_0 and q4_0
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Checkpoint, TensorInfo } from '../../src/formats/checkpoint.js';
import { normaliseConfig, parseObject } from '../../src/formats/config.js';
import { type TensorSource, tensorBytes, writeGguf } from '../../src/formats/gguf-writer.js';
import { replaceTarget } from '../../src/formats/output.js';
import { type GgufPlan, planGguf } from '../../src/formats/plan-gguf.js';
import { quantizeTensor } from '../../src/formats/quant/index.js';
import type { ConvertType } from '../../src/formats/quant-mix.js';
import { byteLength, DTYPES, type DType } from '../../src/tensor/dtype.js';
import { READ_ONLY_TYPES, type ReadOnlyType, randomBlocks } from './blocks.js';
import { SHAPES, type Shape, type ShapeName, tensorShapes } from './shapes.js';

const folder = fileURLToPath(new URL('models', import.meta.url));
const POOL_ELEMENTS = 1 << 22;

/** The path of the model, which is made if it is missing. A type that Kaiwen does not write fills all matrices. */
export async function prepareModel(name: ShapeName, type: ConvertType | ReadOnlyType): Promise<string> {
  const path = join(folder, `${name}-${type}.gguf`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const checkpoint = describe(name, SHAPES[name]);
  const { metadata, tensors } = isReadOnly(type) ? planAs(checkpoint, type) : planGguf(checkpoint, type);
  const random = new RandomBlocks(SHAPES[name].deviation);
  const filled = tensors.map((tensor) => ({ ...tensor, pieces: () => random.pieces(tensor) }));
  const bytes = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  await replaceTarget(path, { bytes }, (temporary) => writeGguf(temporary, metadata, filled));
  return path;
}

function isReadOnly(type: string): type is ReadOnlyType {
  return (READ_ONLY_TYPES as readonly string[]).includes(type);
}

function planAs(checkpoint: Checkpoint, dtype: ReadOnlyType): GgufPlan {
  const { metadata, tensors } = planGguf(checkpoint, 'f32');
  return { metadata, tensors: tensors.map((t) => (t.shape.length > 1 ? { ...t, dtype } : t)) };
}

/** A checkpoint that has everything but weights. */
function describe(name: string, { config: raw, tokenizer }: Shape): Checkpoint {
  const config = normaliseConfig(raw, name);
  const tensors = new Map<string, TensorInfo>();
  for (const [tensor, shape] of tensorShapes(config)) {
    const byteLength = tensorBytes({ dtype: 'f32', shape });
    tensors.set(tensor, { name: tensor, dtype: 'f32', shape, byteLength, file: name });
  }
  const file = join(tokenizer, 'tokenizer_config.json');
  const tokenizerConfig = parseObject(readFileSync(file, 'utf8'), file);
  return {
    ...{ path: name, format: 'safetensors', config, generationConfig: {}, tensors, notices: [] },
    tokenizer: { kind: 'tokenizer.json', path: join(tokenizer, 'tokenizer.json'), config: tokenizerConfig },
    read: () => {
      throw new Error(`${name} has no weights to read.`);
    },
    close: () => {},
    [Symbol.dispose]: () => {},
  };
}

/** Tensor data: norms are ones, weights come from a pool of each type. */
class RandomBlocks {
  private readonly pools = new Map<DType, Uint8Array>();
  private readonly values: Float32Array;
  private readonly next = generator(1);

  constructor(deviation: number) {
    this.values = Float32Array.from({ length: POOL_ELEMENTS }, () => deviation * normal(this.next));
  }

  *pieces(tensor: TensorSource): Generator<Uint8Array> {
    let left = tensorBytes(tensor);
    if (tensor.shape.length === 1) {
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
      pool = this.fill(dtype);
      this.pools.set(dtype, pool);
    }
    return pool;
  }

  private fill(dtype: DType): Uint8Array {
    if (isReadOnly(dtype)) return randomBlocks(dtype, POOL_ELEMENTS, this.next);
    const pool = new Uint8Array(byteLength(dtype, POOL_ELEMENTS));
    quantizeTensor(dtype, this.values, pool);
    return pool;
  }
}

/** Numbers in [0, 1), the same in every run: a 32-bit state through a mixing function. */
function generator(seed: number): () => number {
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

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2);
  if (args.length === 0) args.push('Qwen3-0.6B', 'q8_0', 'Qwen3-0.6B', 'q4_0');
  for (let i = 0; i < args.length; i += 2) {
    console.log(await prepareModel(args[i] as ShapeName, args[i + 1] as ConvertType));
  }
}
