/**
 * A base model and an adapter seen as one checkpoint: the matrices that the adapter changes appear as float32, with the
 * change in them; everything else is the base's. Nothing is kept but the factors of the tensor read last, so that a
 * model of any size is merged in little memory. A quantised base is dequantised on the way.
 */
import { KaiwenError } from '../errors.js';
import type { Checkpoint, JsonObject, TensorInfo } from '../formats/checkpoint.js';
import { dequantizeTensor } from '../formats/quant/index.js';
import { byteLength } from '../tensor/dtype.js';
import type { Adapter, AdapterLayer, Factors } from './adapter.js';
import type { AdapterFiles } from './files.js';
import { foldRows, inOrderOf } from './fold.js';

export class MergedCheckpoint implements Checkpoint {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** By the name of the base's tensor; of stacked experts there may be several. */
  readonly changes: ReadonlyMap<string, readonly AdapterLayer[]>;
  private readonly base: Checkpoint;
  private readonly adapter: Adapter;
  private readonly files: AdapterFiles;
  private loaded?: { layer: AdapterLayer; factors: Factors };

  /** The caller closes both. Throws KaiwenError where the adapter does not fit. */
  constructor(base: Checkpoint, adapter: Adapter, files: AdapterFiles = {}) {
    this.base = base;
    this.adapter = adapter;
    this.files = files;
    const changes = new Map<string, AdapterLayer[]>();
    for (const [layer, { name }] of adapter.check(base)) {
      if (name !== layer.tensor) {
        throw new KaiwenError(
          'unsupported',
          `${adapter.path}: it changes the output head alone, which ${base.path} shares with the embedding.`,
          {
            remedy: 'Load it at run time instead: --adapter.',
          },
        );
      }
      if (!changes.has(name)) changes.set(name, []);
      changes.get(name)!.push(layer);
    }
    this.changes = changes;
    this.tensors = new Map(
      [...base.tensors].map(([name, tensor]) => [name, changes.has(name) ? asFloats(tensor) : tensor]),
    );
  }

  get path(): string {
    return this.base.path;
  }

  get format(): Checkpoint['format'] {
    return this.base.format;
  }

  get config(): JsonObject {
    return this.base.config;
  }

  get generationConfig(): JsonObject {
    return { ...this.base.generationConfig, ...this.files.generationConfig };
  }

  get tokenizer(): Checkpoint['tokenizer'] {
    return this.base.tokenizer;
  }

  get chatTemplate(): string | undefined {
    return this.files.chatTemplate ?? this.base.chatTemplate;
  }

  get licence(): string | undefined {
    return this.base.licence;
  }

  get notices(): readonly string[] {
    return this.base.notices;
  }

  /** Of a changed tensor, whole rows. */
  read(tensor: TensorInfo, into: Uint8Array, from = 0): void {
    const layers = this.changes.get(tensor.name);
    if (!layers) {
      this.base.read(tensor, into, from);
      return;
    }
    const rows = new Float32Array(into.byteLength / 4);
    this.readRows(this.base.tensors.get(tensor.name)!, layers, rows, from / 4);
    into.set(new Uint8Array(rows.buffer));
  }

  close(): void {}

  [Symbol.dispose](): void {}

  private readRows(stored: TensorInfo, layers: readonly AdapterLayer[], values: Float32Array, from: number): void {
    const [height, width] = stored.shape.slice(-2);
    if (from % width !== 0 || values.length % width !== 0) {
      throw new KaiwenError('internal', `${stored.name}: read in pieces that split a row.`);
    }
    const bytes = new Uint8Array(byteLength(stored.dtype, values.length));
    this.base.read(stored, bytes, byteLength(stored.dtype, from));
    dequantizeTensor(stored.dtype, bytes, values);
    const first = from / width;
    const end = first + values.length / width;
    for (const layer of layers) {
      const start = (layer.expert ?? 0) * height;
      const low = Math.max(first, start);
      const high = Math.min(end, start + height);
      if (low >= high) continue;
      foldRows(values.subarray((low - first) * width, (high - first) * width), width, low - start, this.factors(layer));
    }
  }

  private factors(layer: AdapterLayer): Factors {
    if (this.loaded?.layer !== layer) {
      const factors = inOrderOf(this.base, layer.tensor, [layer.out, layer.in], this.adapter.read(layer));
      this.loaded = { layer, factors };
    }
    return this.loaded.factors;
  }
}

function asFloats(tensor: TensorInfo): TensorInfo {
  const elements = tensor.shape.reduce((product, size) => product * size, 1);
  return { ...tensor, dtype: 'f32', byteLength: 4 * elements };
}
