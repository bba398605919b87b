/**
 * What a training run holds before it has memory: the model's structure, its parameters, which of them are trained, how the
 * frozen ones are held, and what a token costs.
 */
import type { Checkpoint, JsonObject } from '../formats/checkpoint.js';
import { normaliseConfig } from '../formats/config.js';
import { exactTarget } from '../formats/quant/index.js';
import { CheckpointWeights } from '../generate/weights.js';
import { buildModel, type ModelDefinition } from '../models/model.js';
import { DTYPES } from '../tensor/dtype.js';
import type { Simd } from '../tensor/kernels.js';
import type { NativeChoice } from '../tensor/native/native.js';
import type { HeldType } from '../tensor/ops/layout.js';
import { attachLora, type Lora, type LoraSettings, parametersOf } from './lora.js';
import { type Parameter, ParameterSource } from './parameters.js';

export interface TrainableOptions {
  threads?: number;
  simd?: Simd;
  native?: NativeChoice;
  /** Most rows a batch has. */
  rows: number;
  /** Most rows a sequence has; default: a batch's. */
  maxRun?: number;
  /** Compute blocks again on the way back instead of keeping their activations. */
  checkpointing?: boolean;
  train: 'all' | { lora: LoraSettings } | 'nothing';
  /** How frozen matrices are held; default: as the file has them. */
  base?: HeldType | 'file';
  /** Memory beside each trained value for an optimiser; AdamW with f32 moments: 8. */
  optimizerBytesPerParameter?: number;
  /** α of NEFTune (arXiv:2310.05914); 0: none. */
  neftune?: number;
  /** Whether rows of a teacher's logits will be put beside the model's own. */
  distils?: boolean;
}

export interface Blueprint {
  readonly definition: ModelDefinition;
  /** All of them, adapters last. */
  readonly parameters: readonly Parameter[];
  readonly adapters: readonly Lora[];
}

/** The structure of a checkpoint's model, every tensor checked. */
export function blueprintOf(checkpoint: Checkpoint, options: TrainableOptions): Blueprint {
  const checked = new CheckpointWeights(checkpoint);
  buildModel(checkpoint.config, checked, checked.enterLayer);
  checked.checkAllUsed();
  const shapeOf = (name: string) => checkpoint.tensors.get(name)?.shape;
  const source = new ParameterSource(options.train === 'all', shapeOf, (name, length) => checked.values(name, length));
  const definition = buildModel(checkpoint.config, source, () => {});
  for (const parameter of source.all) {
    if (parameter.trained) continue;
    const { dtype } = checkpoint.tensors.get(parameter.name)!;
    parameter.type = frozenType(parameter, exactTarget(dtype) as HeldType, options.base ?? 'file');
  }
  return withAdapters(definition, source.all, options);
}

/** The structure of a new model that a config.json describes. */
export function freshBlueprint(config: JsonObject, options: TrainableOptions): Blueprint {
  const source = new ParameterSource(options.train === 'all');
  // A new model ties its embeddings only where it is told to.
  const complete = normaliseConfig({ tie_word_embeddings: false, ...config }, 'config.json');
  const definition = buildModel(complete, source, () => {});
  return withAdapters(definition, source.all, options);
}

function withAdapters(definition: ModelDefinition, all: readonly Parameter[], { train }: TrainableOptions): Blueprint {
  const adapters = typeof train === 'object' ? attachLora(all, train.lora) : [];
  return { definition, parameters: [...all, ...adapters.flatMap(parametersOf)], adapters };
}

/** The form a frozen parameter is held in: rows that do not fill a type's blocks take the next wider type. */
function frozenType(parameter: Parameter, stored: HeldType, wanted: HeldType | 'file'): HeldType {
  // Experts are multiplied in groups, which only float32 has kernels for.
  if (parameter.kind === 'vector' || parameter.count > 1) return 'f32';
  if (wanted === 'file') return stored;
  const type = parameter.kind === 'embedding' && wanted.startsWith('q4') ? 'q8_0' : wanted;
  const fits = (t: HeldType) => parameter.columns % DTYPES[t].block === 0;
  if (fits(type)) return type;
  return fits('q8_0') ? 'q8_0' : 'f32';
}

/** Multiplications and additions of one trained token, forwards and back, attention aside. */
export function flopsPerToken(config: JsonObject, { definition, parameters }: Blueprint, recompute: boolean): number {
  const tied = definition.head.weight === definition.embedding;
  const products = parameters.filter(
    (p) => p.kind === 'matrix' || (p.kind === 'embedding' && (tied || p === definition.head.weight)),
  );
  // Forwards and back to the input take two operations a weight each, the weight's own gradient two more.
  const each = (p: Parameter) => (p.trained ? 6 : 4) * (p.n / p.count) * activeExperts(config, p);
  const flops = products.reduce((sum, p) => sum + each(p), 0);
  return recompute ? (flops * 4) / 3 : flops;
}

function activeExperts(config: JsonObject, { count }: Parameter): number {
  return count === 1 ? 1 : Math.min(count, Number(config.num_experts_per_tok ?? 1));
}
