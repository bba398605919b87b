/**
 * Writes what training has made: a Hugging Face folder of the whole model, or a PEFT adapter. Each goes out whole or not
 * at all, and with everything that decides how it answers: tokenizer, chat template, generation defaults; and with
 * where it comes from: licence, lineage.json and a model card.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ADAPTER_CONFIG } from '../adapters/adapter.js';
import { inFileOrder } from '../adapters/fold.js';
import { type AdapterWeights, writeAdapterFiles } from '../adapters/write.js';
import { inFile, KaiwenError } from '../errors.js';
import { findChatTemplate, findLicence } from '../formats/card.js';
import type { Checkpoint, JsonObject, TensorInfo } from '../formats/checkpoint.js';
import { parseObject } from '../formats/config.js';
import { writeCheckpoint } from '../formats/convert.js';
import { exists, isFolder, listFolder, readText } from '../formats/file.js';
import { architectureOfConfig } from '../formats/gguf-config.js';
import { type FilesSource, writeJson, writeTokenizerFiles } from '../formats/model-folder.js';
import { openCheckpoint } from '../formats/open.js';
import { replaceTarget } from '../formats/output.js';
import type { HeldType } from '../tensor/ops/layout.js';
import { checkVocabulary, loadTokenizer } from '../tokenizer/load.js';
import { modelCard } from './card.js';
import { LINEAGE_FILE, type Lineage } from './lineage.js';

/** What is needed of a trained model (train/model.ts). */
export interface TrainedModel {
  /** config.json's fields, with Hugging Face's names. */
  readonly config: JsonObject;
  readonly options: { readonly train: 'all' | 'nothing' | { readonly lora: AdapterSettings } };
  /** What was trained. */
  readonly parameters: readonly TrainedTensor[];
  /** All parameters by their names. */
  tensors(): ReadonlyMap<string, TrainedTensor>;
  /** The values of one that is held as f32: a view. */
  get(tensor: TrainedTensor): Float32Array;
}

export interface TrainedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: HeldType;
}

type AdapterSettings = Pick<AdapterWeights, 'rank' | 'alpha' | 'dropout' | 'rslora' | 'dora'>;

export interface ExportOptions {
  /** Folder or GGUF file that gives tokenizer, chat template, generation defaults and licence, where nothing else is said. */
  tokenizer: string;
  chatTemplate?: string;
  generationConfig?: JsonObject;
  licence?: string;
  /** The card's title; default: the folder's name. */
  title?: string;
  lineage: Lineage;
  force?: boolean;
  signal?: AbortSignal;
}

/**
 * Writes a model all of whose weights were trained (or are float32) as a Hugging Face folder of bf16 (default) or f32.
 * Throws KaiwenError: 'bad_input' if the folder exists and `force` is not set, 'bad_file' if the tokenizer has more ids
 * than the model has rows, 'io' if the disk refuses.
 */
export async function writeModelFolder(
  model: TrainedModel,
  folder: string,
  options: ExportOptions & { type?: 'bf16' | 'f32' },
): Promise<void> {
  using source = openSource(options.tokenizer);
  const checkpoint = new TrainedCheckpoint(model, source);
  checkTokenizer(source, checkpoint.config);
  const { type = 'bf16', force, signal } = options;
  const parameters = countParameters(model, () => true);
  const finish = (temporary: string) => writeRest(temporary, folder, model, source, options, 'model', parameters);
  await writeCheckpoint(checkpoint, folder, { type, force, signal, finish });
}

/**
 * Writes what was trained as a PEFT adapter, with tokenizer and chat template beside it. `base` is the path of the model
 * it belongs to; adapter_config.json names it as it is given. Errors as writeModelFolder.
 */
export async function writeAdapter(
  model: TrainedModel,
  folder: string,
  options: ExportOptions & { base: string },
): Promise<void> {
  const { train } = model.options;
  if (typeof train !== 'object') throw new KaiwenError('internal', 'The model was trained without an adapter.');
  using source = openSource(options.tokenizer);
  checkTokenizer(source, model.config);
  const adapter: AdapterWeights = { ...train.lora, base: options.base, tensors: adapterTensors(model) };
  if (exists(folder) && isFolder(folder) && listFolder(folder).length > 0 && !exists(join(folder, ADAPTER_CONFIG))) {
    throw new KaiwenError('bad_input', `${folder} is no adapter that could be replaced.`, {
      remedy: 'Choose another name.',
    });
  }
  const bytes = adapter.tensors.reduce((sum, { values }) => sum + values.byteLength, 0);
  const parameters = countParameters(model, isAdapter);
  await replaceTarget(folder, { force: options.force, bytes }, async (temporary) => {
    await mkdir(temporary);
    await writeTokenizerFiles(temporary, source);
    await writeAdapterFiles(temporary, adapter);
    await writeRest(temporary, folder, model, source, options, 'adapter', parameters);
  });
}

const isAdapter = ({ name }: TrainedTensor): boolean => name.includes('.lora_');

function countParameters(model: TrainedModel, counts: (tensor: TrainedTensor) => boolean): number {
  return [...model.tensors().values()].filter(counts).reduce((sum, { shape }) => sum + size(shape), 0);
}

/** Template and generation defaults where they were given, lineage and card. */
async function writeRest(
  temporary: string,
  folder: string,
  model: TrainedModel,
  source: FilesSource,
  options: ExportOptions,
  kind: 'model' | 'adapter',
  parameters: number,
): Promise<void> {
  const { chatTemplate, generationConfig, lineage } = options;
  if (chatTemplate !== undefined) await writeFile(join(temporary, 'chat_template.jinja'), chatTemplate);
  if (generationConfig) await writeJson(temporary, 'generation_config.json', generationConfig);
  await writeJson(temporary, LINEAGE_FILE, lineage);
  const licence = options.licence ?? source.licence ?? lineage.base?.licence;
  const title = options.title ?? basename(resolve(folder));
  const architecture = String(model.config.model_type);
  await writeFile(join(temporary, 'README.md'), modelCard({ title, kind, licence, lineage, architecture, parameters }));
}

/** The adapter's tensors in Hugging Face's order, whatever the base's file has. */
function adapterTensors(model: TrainedModel): AdapterWeights['tensors'] {
  const byModule = new Map<string, Partial<Record<'A' | 'B' | 'magnitude', TrainedTensor>>>();
  for (const tensor of model.parameters.filter(isAdapter)) {
    const [, module, kind] = /^(?:base_model\.model\.)?(.+)\.lora_(A|B|magnitude)/.exec(tensor.name)!;
    if (!byModule.has(module)) byModule.set(module, {});
    byModule.get(module)![kind as 'A' | 'B' | 'magnitude'] = tensor;
  }
  return [...byModule].flatMap(([module, { A, B, magnitude }]) => {
    const shape = [B!.shape[0], A!.shape[1]];
    const factors = { a: model.get(A!), b: model.get(B!), magnitude: magnitude && model.get(magnitude) };
    const ordered = inFileOrder(model.config, `${module}.weight`, shape, factors);
    const stem = `base_model.model.${module}`;
    const tensors = [
      { name: `${stem}.lora_A.weight`, shape: A!.shape, values: ordered.a },
      { name: `${stem}.lora_B.weight`, shape: B!.shape, values: ordered.b },
    ];
    if (!magnitude) return tensors;
    return [...tensors, { name: `${stem}.lora_magnitude_vector`, shape: magnitude.shape, values: ordered.magnitude! }];
  });
}

function checkTokenizer({ tokenizer, path }: FilesSource, config: JsonObject): void {
  if (!tokenizer) {
    throw new KaiwenError('not_found', `${path}: there is no tokenizer to put beside the model.`, {
      remedy: 'Name a folder with tokenizer.json, or a model that has one.',
    });
  }
  const loaded = loadTokenizer(tokenizer);
  if (typeof config.vocab_size === 'number') inFile(path, () => checkVocabulary(loaded, config.vocab_size as number));
}

/** A model, or a folder (or tokenizer.json) with no model in it. */
function openSource(path: string): FilesSource & Disposable {
  const folder = path.endsWith('.json') ? dirname(path) : path;
  const file = join(folder, 'tokenizer.json');
  if (!isFolder(folder) || exists(join(folder, 'config.json')) || !exists(file)) return openCheckpoint(folder);
  const json = (name: string): JsonObject => {
    const text = readText(join(folder, name));
    return text === undefined ? {} : parseObject(text, join(folder, name));
  };
  const config = json('tokenizer_config.json');
  return {
    format: 'safetensors',
    path: folder,
    tokenizer: { kind: 'tokenizer.json', path: file, config },
    chatTemplate: findChatTemplate(folder, config, json('chat_template.json')),
    generationConfig: json('generation_config.json'),
    licence: findLicence(folder),
    [Symbol.dispose]() {},
  };
}

/** The weights in memory as a checkpoint, so that all that converts checkpoints can write them. */
class TrainedCheckpoint implements Checkpoint {
  readonly path: string;
  readonly format: Checkpoint['format'];
  readonly config: JsonObject;
  readonly generationConfig: JsonObject;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly tokenizer: Checkpoint['tokenizer'];
  readonly chatTemplate?: string;
  readonly licence?: string;
  readonly notices: readonly string[] = [];
  readonly #model: TrainedModel;

  constructor(model: TrainedModel, source: FilesSource) {
    this.#model = model;
    this.path = source.path;
    this.format = source.format;
    this.generationConfig = source.generationConfig;
    this.tokenizer = source.tokenizer;
    this.chatTemplate = source.chatTemplate;
    this.licence = source.licence;
    const weights = [...model.tensors().values()].filter((tensor) => !isAdapter(tensor));
    const frozen = weights.find(({ type }) => type !== 'f32');
    if (frozen || typeof model.options.train === 'object') {
      throw new KaiwenError('internal', 'Of this model only an adapter was trained; there is no whole model to write.');
    }
    this.tensors = new Map(weights.map((tensor) => [tensor.name, this.#describe(tensor)]));
    this.config = {
      ...model.config,
      architectures: [architectureOfConfig(model.config, source.path).className],
      tie_word_embeddings: !this.tensors.has('lm_head.weight'),
    };
  }

  read({ name }: TensorInfo, into: Uint8Array, from = 0): void {
    const { buffer, byteOffset } = this.#model.get(this.#model.tensors().get(name)!);
    into.set(new Uint8Array(buffer, byteOffset + from, into.byteLength));
  }

  close(): void {}

  [Symbol.dispose](): void {}

  #describe({ name, shape }: TrainedTensor): TensorInfo {
    // Vectors are flat in training; a convolution's kernels are not in files.
    const kernel = Number(this.#model.config.linear_conv_kernel_dim ?? 4);
    const stored = name.endsWith('.conv1d.weight') ? [size(shape) / kernel, 1, kernel] : shape;
    return { name, dtype: 'f32', shape: stored, byteLength: 4 * size(shape), file: this.path };
  }
}

function size(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
