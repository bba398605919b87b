/**
 * `kaiwen inspect`: what a model file holds and how much memory it needs. Reads headers only; a file from which no
 * model can be built is described as far as it goes, with the reason.
 */
import { Command } from 'commander';
import { describeError } from '../errors.js';
import type { Checkpoint } from '../formats/checkpoint.js';
import { openCheckpoint } from '../formats/open.js';
import { placedStateBytes } from '../generate/sequence.js';
import { CheckpointWeights } from '../generate/weights.js';
import { buildModel } from '../models/model.js';
import type { DType } from '../tensor/dtype.js';
import { loadTokenizer } from '../tokenizer/load.js';
import { wholeNumber } from './options.js';
import { colorsFor, formatBytes, formatCount } from './terminal.js';

interface Flags {
  context?: number;
  json?: boolean;
}

export interface Memory {
  context: number;
  /** Bytes: weights as held in memory, keys and values (f16) of all tokens, recurrent state, everything else. */
  weights: number;
  cache: number;
  state: number;
  runtime: number;
  total: number;
}

export interface Inspection {
  path: string;
  format: 'safetensors' | 'gguf';
  architecture: string;
  parameters: number;
  layers: number;
  /** Layers with attention over all tokens; the others are recurrent. */
  attentionLayers: number;
  hiddenSize: number;
  intermediateSize?: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  experts?: { count: number; perToken: number };
  vocabSize: number;
  tiedHead: boolean;
  maxContext: number;
  ropeScaling?: string;
  dtypes: { dtype: DType; tensors: number; bytes: number }[];
  tokenizer?: { kind: string; ids: number; controlTokens: number };
  chatTemplate: boolean;
  thinking: boolean;
  licence?: string;
  memory?: Memory;
  /** What was skipped, and what is missing or wrong. */
  notices: string[];
  warnings: string[];
}

const DEFAULT_CONTEXT = 8192;
/** Node, the kernels' scratch and the tokenizer: measured, it changes little from model to model. */
const RUNTIME_BYTES = 150 * 2 ** 20;

export function inspectCommand(): Command {
  return new Command('inspect')
    .description('Say what a model holds and how much memory it needs. Reads no weights.')
    .argument('<model>', 'Hugging Face folder or GGUF file')
    .option(
      '--context <n>',
      "tokens of context to plan for (default: the model's, at most 8192)",
      wholeNumber(1, 1 << 24),
    )
    .option('--json', 'print everything as one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  kaiwen inspect models/glossary
  kaiwen inspect model.gguf --context 32768
  kaiwen inspect model.gguf --json | jq .memory.total`,
    )
    .action((path: string, flags: Flags) => {
      using checkpoint = openCheckpoint(path);
      const inspection = inspect(checkpoint, flags.context);
      console.log(flags.json ? JSON.stringify(inspection, null, 2) : table(inspection));
    });
}

/** Describes an open checkpoint. Throws nothing for a model that cannot run: `warnings` says why. */
export function inspect(checkpoint: Checkpoint, context?: number): Inspection {
  const { config, tensors, path, format, licence, chatTemplate = '' } = checkpoint;
  const number = (field: string): number => Number(config[field] ?? 0);
  const warnings: string[] = [];
  const dtypes = new Map<DType, { dtype: DType; tensors: number; bytes: number }>();
  let parameters = 0;
  for (const { dtype, shape, byteLength } of tensors.values()) {
    const sum = dtypes.get(dtype) ?? { dtype, tensors: 0, bytes: 0 };
    dtypes.set(dtype, { dtype, tensors: sum.tensors + 1, bytes: sum.bytes + byteLength });
    parameters += shape.reduce((product, size) => product * size, 1);
  }
  const maxContext = number('max_position_embeddings');
  const memory = planMemory(checkpoint, context ?? Math.min(maxContext || DEFAULT_CONTEXT, DEFAULT_CONTEXT), warnings);
  if (context !== undefined && maxContext > 0 && context > maxContext) {
    warnings.push(`${context} tokens are more than the model's context of ${maxContext}.`);
  }
  if (!chatTemplate) warnings.push('No chat template: conversations use ChatML.');
  const layers = number('num_hidden_layers');
  const types = Array.isArray(config.layer_types) ? config.layer_types : [];
  const scaling = config.rope_scaling as { rope_type?: string; factor?: number } | undefined;
  return {
    path,
    format,
    architecture: String(config.model_type),
    parameters,
    layers,
    attentionLayers: layers - types.filter((type) => type === 'linear_attention').length,
    hiddenSize: number('hidden_size'),
    intermediateSize: number('intermediate_size') || undefined,
    heads: number('num_attention_heads'),
    kvHeads: number('num_key_value_heads'),
    headDim: number('head_dim'),
    experts: config.num_experts ? { count: number('num_experts'), perToken: number('num_experts_per_tok') } : undefined,
    vocabSize: number('vocab_size'),
    tiedHead: config.tie_word_embeddings === true || !tensors.has('lm_head.weight'),
    maxContext,
    ropeScaling: scaling?.rope_type && `${scaling.rope_type}${scaling.factor ? ` × ${scaling.factor}` : ''}`,
    dtypes: [...dtypes.values()].sort((a, b) => b.bytes - a.bytes),
    tokenizer: describeTokenizer(checkpoint, warnings),
    chatTemplate: chatTemplate !== '',
    thinking: /enable_thinking|<\/?think>/.test(chatTemplate),
    licence,
    memory,
    notices: [...checkpoint.notices],
    warnings,
  };
}

/** Builds the model without reading it, which also finds what is missing. */
function planMemory(checkpoint: Checkpoint, context: number, warnings: string[]): Memory | undefined {
  try {
    const source = new CheckpointWeights(checkpoint);
    const { blocks } = buildModel(checkpoint.config, source, source.enterLayer);
    const weights = source.held.reduce((sum, { bytes }) => sum + bytes, 0);
    let cache = 0;
    let state = 0;
    for (const each of blocks.flatMap(({ states }) => states)) {
      const bytes = placedStateBytes(each, 'f16', context);
      if (each.kind === 'kv') cache += bytes;
      else state += bytes;
    }
    return { context, weights, cache, state, runtime: RUNTIME_BYTES, total: weights + cache + state + RUNTIME_BYTES };
  } catch (error) {
    warnings.push(`Cannot run: ${describeError(error)}`);
    return undefined;
  }
}

function describeTokenizer(checkpoint: Checkpoint, warnings: string[]): Inspection['tokenizer'] {
  const { tokenizer: source, config } = checkpoint;
  if (!source) {
    warnings.push('No tokenizer: the model takes token ids only.');
    return undefined;
  }
  try {
    const { vocabSize, controlTokens } = loadTokenizer(source);
    const rows = Number(config.vocab_size);
    if (vocabSize > rows) warnings.push(`The tokenizer has ${vocabSize} ids, the embedding only ${rows} rows.`);
    return { kind: `byte-level BPE (${source.kind})`, ids: vocabSize, controlTokens: controlTokens.size };
  } catch (error) {
    warnings.push(`Cannot read the tokenizer: ${describeError(error)}`);
    return undefined;
  }
}

function table(i: Inspection): string {
  const { bold, dim, yellow } = colorsFor(process.stdout);
  const hybrid =
    i.attentionLayers < i.layers ? ` (${i.attentionLayers} attention, ${i.layers - i.attentionLayers} recurrent)` : '';
  const groups = i.kvHeads !== i.heads ? `, ${i.kvHeads} for keys and values` : '';
  const rows: [string, string][] = [
    ['architecture', `${i.architecture} ${dim(`(${i.format})`)}`],
    ['parameters', formatCount(i.parameters)],
    ['layers', `${i.layers}${hybrid}`],
    ['heads', `${i.heads}${groups}, of ${i.headDim}`],
    ['sizes', `hidden ${i.hiddenSize}, feed-forward ${i.intermediateSize ?? 'none'}`],
    ['vocabulary', `${i.vocabSize}${i.tiedHead ? ' (embedding and head are one)' : ''}`],
    ['context', `${i.maxContext}${i.ropeScaling ? ` (rotary scaling ${i.ropeScaling})` : ''}`],
    [
      'tokenizer',
      i.tokenizer ? `${i.tokenizer.kind}, ${i.tokenizer.ids} ids, ${i.tokenizer.controlTokens} control` : 'none',
    ],
    ['chat', i.chatTemplate ? `template${i.thinking ? ', can think' : ''}` : 'no template'],
    ['licence', i.licence ?? 'not named'],
  ];
  if (i.experts) rows.splice(5, 0, ['experts', `${i.experts.count}, ${i.experts.perToken} for each token`]);
  for (const { dtype, tensors, bytes } of i.dtypes) {
    rows.push([dtype, `${tensors} ${tensors === 1 ? 'tensor' : 'tensors'}, ${formatBytes(bytes)}`]);
  }
  if (i.memory) {
    const { context, weights, cache, state, runtime, total } = i.memory;
    const parts = [`weights ${formatBytes(weights)}`, `cache ${formatBytes(cache)}`];
    if (state > 0) parts.push(`state ${formatBytes(state)}`);
    parts.push(`runtime ${formatBytes(runtime)}`);
    rows.push(['memory', `${bold(formatBytes(total))} at ${context} tokens ${dim(`(${parts.join(', ')})`)}`]);
  }
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(([label, value]) => `${dim(label.padEnd(width))}  ${value}`);
  return [bold(i.path), ...lines, ...[...i.notices, ...i.warnings].map((text) => yellow(text))].join('\n');
}
