/**
 * A LoRA adapter on disk, in PEFT's layout: adapter_config.json and adapter_model.safetensors, whose tensors are named
 * `base_model.model.<module>.lora_A.weight` [rank, in], `.lora_B.weight` [out, rank] and, for DoRA,
 * `.lora_magnitude_vector` [out]. Opening reads headers only; `check` compares them with a base model; `read` gives one
 * layer's factors as float32. Everything else a file may hold is refused by name: an adapter of which a part is
 * silently left out answers nonsense.
 */
import { basename, dirname, join, resolve } from 'node:path';
import { KaiwenError } from '../errors.js';
import type { Checkpoint, TensorInfo } from '../formats/checkpoint.js';
import { exists, isFolder, listFolder, RandomAccessFile, readText } from '../formats/file.js';
import { label } from '../formats/label.js';
import { dequantizeTensor } from '../formats/quant/index.js';
import { parseSafetensors, type SafetensorsEntry } from '../formats/safetensors.js';
import type { DType } from '../tensor/dtype.js';
import { type AdapterConfig, moduleScale, parseAdapterConfig } from './config.js';

export const ADAPTER_CONFIG = 'adapter_config.json';
export const ADAPTER_WEIGHTS = 'adapter_model.safetensors';

/** What an adapter changes: one matrix [out, in] of the base, W + scale · B·A. */
export interface AdapterLayer {
  /** The base's tensor, as a Checkpoint names it. */
  readonly tensor: string;
  /** Which of the stacked experts. */
  readonly expert?: number;
  readonly out: number;
  readonly in: number;
  readonly rank: number;
  readonly scale: number;
  readonly isDora: boolean;
}

/** One layer's numbers, row-major. */
export interface Factors {
  /** [rank, in]. */
  readonly a: Float32Array;
  /** [out, rank], multiplied by the scale. */
  readonly b: Float32Array;
  /** [out]: the length of each row of the sum, for DoRA. */
  readonly magnitude?: Float32Array;
}

type Part = 'a' | 'b' | 'magnitude';
type Entries = Partial<Record<Part, SafetensorsEntry>>;

const DTYPES: Readonly<Record<string, DType>> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };
const TENSOR = /^(?:base_model\.model\.)?(.+)\.(lora_A\.weight|lora_B\.weight|lora_magnitude_vector(?:\.weight)?)$/;
/** Wrappers around the text model in nested layouts. */
const PREFIXES: readonly [from: string, to: string][] = [
  ['model.language_model.', 'model.'],
  ['language_model.model.', 'model.'],
  ['language_model.lm_head', 'lm_head'],
];
/** Read by row and not multiplied: PEFT has other names for what adapts it. */
const EMBEDDING = /(?:^|\.)(?:embed_tokens|wte)$/;
const EXPERT = /^(.*\.mlp\.experts)\.(\d+)\.((?:gate|up|down)_proj)$/;

export class Adapter implements Disposable {
  private constructor(
    /** The folder's or file's name. */
    readonly name: string,
    readonly path: string,
    /** Where the files beside the weights are. */
    readonly folder: string,
    readonly config: AdapterConfig,
    readonly layers: readonly AdapterLayer[],
    private readonly entries: ReadonlyMap<AdapterLayer, Entries>,
    private readonly file: RandomAccessFile,
  ) {}

  /** Opens a folder, or a .safetensors file beside its adapter_config.json. Throws KaiwenError as openCheckpoint does. */
  static open(path: string): Adapter {
    const { folder, weights } = locateAdapter(path);
    const configFile = join(folder, ADAPTER_CONFIG);
    const text = readText(configFile);
    if (text === undefined) {
      throw new KaiwenError('not_found', `${configFile}: no such file.`, {
        remedy: `An adapter is a folder with ${ADAPTER_CONFIG} and ${ADAPTER_WEIGHTS}.`,
      });
    }
    const config = parseAdapterConfig(text, configFile);
    const file = new RandomAccessFile(weights);
    try {
      const entries = collect(file, config);
      const name = basename(resolve(path)).replace(/\.safetensors$/, '');
      return new Adapter(name, path, folder, config, [...entries.keys()], entries, file);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Numbers it adds to a model. */
  get parameters(): number {
    return this.layers.reduce((sum, l) => sum + l.rank * (l.in + l.out) + (l.isDora ? l.out : 0), 0);
  }

  /**
   * The base's tensor that each layer changes. Throws KaiwenError 'bad_input' where the adapter belongs to another
   * model: a layer that is not there, or of another shape.
   */
  check(base: Checkpoint): Map<AdapterLayer, TensorInfo> {
    const found = new Map<AdapterLayer, TensorInfo>();
    for (const layer of this.layers) {
      const tensor = base.tensors.get(layer.tensor) ?? tiedHead(base, layer);
      const module = label(layer.tensor.replace(/\.weight$/, ''));
      if (!tensor) throw this.foreign(base, `it changes "${module}", which the model does not have`);
      const shape = layer.expert === undefined ? tensor.shape : tensor.shape.slice(1);
      if (shape.length !== 2 || shape[0] !== layer.out || shape[1] !== layer.in) {
        const theirs = `${layer.out}×${layer.in}`;
        throw this.foreign(base, `its "${module}" is ${theirs}, the model's is ${shape.join('×')}`);
      }
      if (layer.expert !== undefined && layer.expert >= tensor.shape[0]) {
        throw this.foreign(base, `it changes expert ${layer.expert} of ${tensor.shape[0]} in "${module}"`);
      }
      found.set(layer, tensor);
    }
    return found;
  }

  /** The numbers of one layer. */
  read(layer: AdapterLayer): Factors {
    const { a, b, magnitude } = this.entries.get(layer)!;
    const factors = {
      a: this.values(a!),
      b: this.values(b!).map((value) => value * layer.scale),
      magnitude: magnitude && this.values(magnitude),
    };
    for (const values of [factors.a, factors.b, factors.magnitude ?? []]) {
      if (values.every(Number.isFinite)) continue;
      throw new KaiwenError(
        'bad_file',
        `${this.file.path}: "${label(layer.tensor)}" holds numbers that are not finite.`,
        {
          remedy: 'The training that made it went wrong, or the file is damaged.',
        },
      );
    }
    return factors;
  }

  close(): void {
    this.file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private values({ dtype, shape, offset, byteLength }: SafetensorsEntry): Float32Array {
    const bytes = new Uint8Array(byteLength);
    this.file.read(bytes, offset);
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
    dequantizeTensor(DTYPES[dtype], bytes, values);
    return values;
  }

  private foreign(base: Checkpoint, what: string): KaiwenError {
    const trainedOn = this.config.base === undefined ? '' : ` It was trained on ${label(this.config.base)}.`;
    return new KaiwenError('bad_input', `The adapter ${this.path} does not fit ${base.path}: ${what}.${trainedOn}`, {
      remedy: 'Use it with the model that it was trained on.',
    });
  }
}

/** Where an adapter's files are. Throws KaiwenError 'not_found' or 'unsupported'. */
export function locateAdapter(path: string): { folder: string; weights: string } {
  if (path === '') throw new KaiwenError('usage', 'The path of the adapter is empty.', { remedy: 'Give a path.' });
  if (!exists(path)) {
    throw new KaiwenError('not_found', `${path}: no such adapter.`, {
      remedy: `Give a folder with ${ADAPTER_CONFIG} and ${ADAPTER_WEIGHTS}.`,
    });
  }
  if (!isFolder(path)) return { folder: dirname(path), weights: path };
  const weights = join(path, ADAPTER_WEIGHTS);
  if (exists(weights)) return { folder: path, weights };
  const pickled = listFolder(path).includes('adapter_model.bin');
  throw new KaiwenError(
    pickled ? 'unsupported' : 'not_found',
    pickled ? `${path}: the adapter is a pickled PyTorch file.` : `${weights}: no such file.`,
    { remedy: pickled ? `Save it as ${ADAPTER_WEIGHTS}.` : 'Get the file that belongs to the configuration.' },
  );
}

/** The file's tensors by layer, all of them. */
function collect(file: RandomAccessFile, config: AdapterConfig): Map<AdapterLayer, Entries> {
  const modules = new Map<string, Entries>();
  for (const entry of parseSafetensors(file).entries.values()) {
    const match = TENSOR.exec(entry.name);
    if (!match) throw unknownTensor(file, entry.name);
    if (!DTYPES[entry.dtype]) {
      throw new KaiwenError('unsupported', `${file.path}: '${label(entry.name)}' has the type ${entry.dtype}.`, {
        remedy: 'Save the adapter in F32, F16 or BF16.',
      });
    }
    const [, module, kind] = match;
    const part: Part = kind === 'lora_A.weight' ? 'a' : kind === 'lora_B.weight' ? 'b' : 'magnitude';
    if (!modules.has(module)) modules.set(module, {});
    modules.get(module)![part] = entry;
  }
  if (modules.size === 0) {
    throw new KaiwenError('bad_file', `${file.path}: the adapter is empty.`, { remedy: 'Save it again.' });
  }
  return new Map([...modules].map(([module, entries]) => [toLayer(file, config, module, entries), entries]));
}

function toLayer(file: RandomAccessFile, config: AdapterConfig, module: string, entries: Entries): AdapterLayer {
  const { a, b, magnitude } = entries;
  const bad = (what: string) =>
    new KaiwenError('bad_file', `${file.path}: "${label(module)}" ${what}.`, {
      remedy: 'The file may be incomplete, or belong to another adapter_config.json: get both again.',
    });
  if (EMBEDDING.test(module)) throw unknownTensor(file, (a ?? b ?? magnitude)!.name);
  if (!a || !b) throw bad(`has no ${a ? 'lora_B' : 'lora_A'}`);
  if (config.dora && !magnitude) throw bad('has no lora_magnitude_vector, and the configuration says DoRA');
  if (!config.dora && magnitude) throw bad('has a lora_magnitude_vector, and the configuration does not say DoRA');
  const { rank, scale } = moduleScale(config, module);
  const [out, rankOut] = b.shape;
  const [rankIn, input] = a.shape;
  if (a.shape.length !== 2 || b.shape.length !== 2 || !(out > 0) || !(input > 0)) {
    throw bad(`has factors of shape ${a.shape.join('×')} and ${b.shape.join('×')}`);
  }
  if (rankIn !== rank || rankOut !== rank) {
    throw bad(`has factors of rank ${rankIn} and ${rankOut}; the configuration says ${rank}`);
  }
  if (magnitude && magnitude.shape.reduce((product, size) => product * size, 1) !== out) {
    throw bad(`has ${magnitude.shape.join('×')} magnitudes for ${out} rows`);
  }
  const prefix = PREFIXES.find(([from]) => module.startsWith(from));
  const name = prefix ? prefix[1] + module.slice(prefix[0].length) : module;
  const expert = EXPERT.exec(name);
  const place = expert
    ? { tensor: `${expert[1]}.${expert[3]}.weight`, expert: Number(expert[2]) }
    : { tensor: `${name}.weight` };
  return { ...place, out, in: input, rank, scale, isDora: magnitude !== undefined };
}

function unknownTensor(file: RandomAccessFile, name: string): KaiwenError {
  const whole = /\.(?:weight|bias)$/.test(name) && !name.includes('lora_');
  const what = whole
    ? `'${label(name)}' replaces a tensor of the model (modules_to_save)`
    : `'${label(name)}' is no part of a LoRA adapter that Kaiwen reads`;
  return new KaiwenError('unsupported', `${file.path}: ${what}.`, {
    remedy: 'Merge it with the tool that trained it, and use the merged model.',
  });
}

/** The output head of a model that has none but its embedding. */
function tiedHead(base: Checkpoint, layer: AdapterLayer): TensorInfo | undefined {
  if (layer.tensor !== 'lm_head.weight') return undefined;
  return base.tensors.get('model.embed_tokens.weight') ?? base.tensors.get('transformer.wte.weight');
}
