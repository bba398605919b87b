/**
 * Whether a model answers the same wherever it runs: in the trainer that made it, in the engine from the exported files,
 * and in the engine from a GGUF file made of those. Compared are the ids of texts, the logits of every position, and the
 * greedy continuation of each text. The engine and the GGUF file hold the same weights and must agree closely; the
 * trainer's differ by the rounding of the exported type, which sets how far logits may be apart, unless it holds what
 * was written by then.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Adapter } from '../adapters/adapter.js';
import { inOrderOf } from '../adapters/fold.js';
import { merge } from '../adapters/merge.js';
import { KaiwenError } from '../errors.js';
import { convert } from '../formats/convert.js';
import { openCheckpoint } from '../formats/open.js';
import type { ConvertType } from '../formats/quant-mix.js';
import type { Engine } from '../generate/engine.js';
import { startEngine } from '../generate/engine-client.js';
import type { DType } from '../tensor/dtype.js';
import type { HeldType } from '../tensor/ops/layout.js';
import { openTokenizer } from '../tokenizer/load.js';
import type { TrainedTensor } from './export.js';

export interface ParityOptions {
  /** Path of the model that an exported adapter belongs to; absent: `exported` is a whole model. */
  base?: string;
  /** The trainer's weights are those that were written, rounding included. */
  exact?: boolean;
  /** Tokenizer that the training data were prepared with; default: what was exported. */
  tokenizer?: string;
  /** Texts to compare; default a few. */
  prompts?: readonly string[];
  /** Tokens of greedy continuation; default 16. */
  continuation?: number;
  threads?: number;
  /** Compare with a GGUF file as well; default true. */
  gguf?: boolean;
  signal?: AbortSignal;
}

/** What is needed of a trained model (train/model.ts). */
export interface TrainedLogits {
  /** [ids, vocab]. */
  logits(ids: Int32Array): Float32Array;
  /** What was trained. */
  readonly parameters: readonly TrainedTensor[];
  get(tensor: TrainedTensor): Float32Array;
  readonly options: {
    /** Most rows of a batch, and of a sequence. */
    readonly rows: number;
    readonly maxRun?: number;
    /** How frozen matrices are held; absent: as the file has them. */
    readonly base?: HeldType | 'file';
  };
}

export interface ParityReport {
  texts: number;
  tokens: number;
  /** Root mean square of the difference of logits, as a share of their spread: trainer to engine, engine to GGUF. */
  engine: number;
  gguf?: number;
  /** Greedy continuations, the same everywhere. */
  continuations: string[];
}

const PROMPTS = ['The', 'Hello! How are you?', '你好，今天天气怎么样？', '12 + 30 =', 'A list:\n- one\n- two\n'];
/** Of a text with its continuation. */
const MAX_TOKENS = 64;
/** Bytes of float32 that are too many for a passing file. */
const LARGE = 4e9;

/** How far logits may be apart, by the coarsest type that is read in one place and not in the other. */
const TOLERANCES: Partial<Record<DType, number>> = { f32: 1e-3, f16: 0.02, bf16: 0.03, q8_0: 0.06, q6_k: 0.1 };
const COARSEST = 0.35;
/** Between the engine and GGUF: the same weights, in another order of additions. */
const SAME = 2e-3;
/** An adapter whose logits are so many times as far from the trainer's as none at all is not the trained one. */
const ASTRAY = 1.5;
/** Less than float32 arithmetic may differ. */
const FLOOR = 1e-4;

/**
 * Compares `model` with what was written of it. Throws KaiwenError 'internal' that says where they part, and what
 * opening and converting throw.
 */
export async function checkParity(
  model: TrainedLogits,
  exported: string,
  options: ParityOptions = {},
): Promise<ParityReport> {
  const { base, exact = false, gguf = true, threads, signal } = options;
  const place = base ?? exported;
  const { rows, maxRun = rows, base: held = 'file' } = model.options;
  const weights = weightsOf(place);
  const context = Math.min(MAX_TOKENS, maxRun, weights.context);
  const continuation = Math.min(options.continuation ?? 16, context >> 1);
  const prompts = tokens(options, place, context - continuation);
  // A base of floats is the same here and there; what was trained whole was rounded on its way out, unless the trainer holds that now.
  const own = exact || (base !== undefined && weights.isFloat) ? SAME : weights.tolerance;
  const tolerance = Math.max(own, held === 'file' ? 0 : (TOLERANCES[held] ?? COARSEST));
  if (base !== undefined) sameFactors(model, exported, base);
  const folder = await mkdtemp(join(tmpdir(), 'kaiwen-parity-'));
  try {
    const adapters = base === undefined ? [] : [{ name: 'trained', path: exported }];
    await using engine = await startEngine(place, { kv: 'f32', context, threads, adapters, signal });
    const ask = { adapter: base === undefined ? undefined : 'trained', signal };
    const runs: Compared[] = [];
    for (const prompt of prompts) runs.push(await compare(model, engine, ask, prompt, continuation, tolerance));
    const report: ParityReport = {
      texts: prompts.length,
      tokens: runs.reduce((sum, { ids }) => sum + ids.length, 0),
      engine: Math.max(...runs.map(({ difference }) => difference)),
      continuations: runs.map(({ ids, from }) => openTokenizer(place).decode(ids.slice(from))),
    };
    if (!gguf) return report;
    const path = join(folder, 'model.gguf');
    const type = base !== undefined && weights.fitsFloat ? 'f32' : weights.type;
    if (base === undefined) await convert(exported, path, { type, signal });
    else await merge(base, exported, path, { type, signal });
    sameIds(options.prompts ?? PROMPTS, [place, path]);
    await using other = await startEngine(path, { kv: 'f32', context, threads, signal });
    // Merging rounds anew, unless the merged weights are float32 as the base's products were.
    const unrounded = base === undefined || (weights.isFloat && type === 'f32');
    const rounded = unrounded ? 0 : Math.max(weights.tolerance, TOLERANCES[type as DType] ?? COARSEST);
    report.gguf = await compareGguf(other, runs, Math.max(SAME, rounded), signal);
    return report;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Compared {
  prompt: string;
  /** The prompt's, then the continuation's from `from` on. */
  ids: number[];
  from: number;
  /** The engine's, of every position. */
  logits: Float32Array;
  difference: number;
}

interface Prompt {
  text: string;
  ids: number[];
}

/** The prompts' ids: the same by the tokenizer of the data and by the one that was exported. */
function tokens({ prompts = PROMPTS, tokenizer }: ParityOptions, place: string, limit: number): Prompt[] {
  if (tokenizer !== undefined) sameIds(prompts, [tokenizer, place]);
  const encoder = openTokenizer(place);
  return prompts
    .map((text) => ({ text, ids: encoder.encode(text).slice(0, limit) }))
    .filter(({ ids }) => ids.length > 0);
}

function sameIds(texts: readonly string[], paths: readonly [string, string]): void {
  const [one, other] = paths.map((path) => openTokenizer(path));
  for (const text of texts) {
    const [a, b] = [one.encode(text), other.encode(text)];
    const at = a.findIndex((id, i) => id !== b[i]);
    if (at < 0 && a.length === b.length) continue;
    const where = at < 0 ? Math.min(a.length, b.length) : at;
    throw parted(`the tokenizers of ${paths[0]} and ${paths[1]} cut ${quote(text)} differently from token ${where} on`);
  }
}

/** One text through trainer and engine: the engine continues it, and both give the logits of the whole. */
async function compare(
  model: TrainedLogits,
  engine: Engine,
  ask: { adapter?: string; signal?: AbortSignal },
  { text, ids: prompt }: Prompt,
  length: number,
  tolerance: number,
): Promise<Compared> {
  const ids = [...prompt, ...(await continued(engine, prompt, length, ask))];
  const logits = await engine.logits(ids, ask);
  const trained = model.logits(Int32Array.from(ids));
  const what = `the trainer and the engine, on ${quote(text)}`;
  const difference = closeness(trained, logits, ids.length, tolerance, what);
  sameGreedy(trained, ids, prompt.length, difference, what);
  if (ask.adapter !== undefined) {
    const plain = await engine.logits(ids, { signal: ask.signal });
    // Over weights that are rounded otherwise than here, a small adapter is lost in the rounding; it must not lead away.
    const without = distance(trained, plain, ids.length).difference;
    if (difference > ASTRAY * without + FLOOR) {
      const far = `${difference.toPrecision(3)} of their spread apart, and ${without.toPrecision(3)} without the adapter`;
      throw parted(`${what}: logits are ${far}`);
    }
  }
  return { prompt: text, ids, from: prompt.length, logits, difference };
}

async function compareGguf(
  engine: Engine,
  runs: readonly Compared[],
  tolerance: number,
  signal?: AbortSignal,
): Promise<number> {
  let most = 0;
  for (const { prompt, ids, from, logits } of runs) {
    const what = `the exported model and the GGUF file made of it, on ${quote(prompt)}`;
    const theirs = await engine.logits(ids, { signal });
    const difference = closeness(logits, theirs, ids.length, tolerance, what);
    sameGreedy(theirs, ids, from, difference, what);
    most = Math.max(most, difference);
  }
  return most;
}

/** What the engine answers greedily; a step more than `length` is not needed. */
async function continued(
  engine: Engine,
  tokens: readonly number[],
  length: number,
  { adapter, signal }: { adapter?: string; signal?: AbortSignal },
): Promise<number[]> {
  const sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0 };
  const request = {
    ...{ tokens, adapter, stopTokens: [], detectRepetition: false },
    maxTokens: Math.min(length, engine.info.context - tokens.length),
    sampling: { ...sampling, frequencyPenalty: 0 },
  };
  const ids: number[] = [];
  for await (const event of engine.generate(request, signal)) if (event.type === 'token') ids.push(event.id);
  return ids;
}

/** Every trained factor must be in the file, in the order in which the base keeps its rows. */
function sameFactors(model: TrainedLogits, exported: string, base: string): void {
  using adapter = Adapter.open(exported);
  using checkpoint = openCheckpoint(base, { vocabulary: false });
  const read = new Map<string, Float32Array | undefined>();
  for (const layer of adapter.layers) {
    const factors = inOrderOf(checkpoint, layer.tensor, [layer.out, layer.in], adapter.read(layer));
    const module = `base_model.model.${layer.tensor.replace(/\.weight$/, '')}`;
    read.set(`${module}.lora_A.weight`, factors.a);
    const b = factors.b.map((value) => value / layer.scale);
    read.set(`${module}.lora_B.weight`, b);
    read.set(`${module}.lora_magnitude_vector`, factors.magnitude);
  }
  for (const parameter of model.parameters) {
    const values = read.get(parameter.name);
    const trained = model.get(parameter);
    const same = trained.every((value, i) => Math.abs(value - (values?.[i] ?? Infinity)) <= 1e-6 * Math.abs(value));
    if (!same) throw parted(`"${parameter.name}" in ${exported} is not what was trained`);
  }
}

/** The difference of two sets of logits [rows, vocab] over their spread. Throws where it exceeds the tolerance. */
function closeness(a: Float32Array, b: Float32Array, rows: number, tolerance: number, what: string): number {
  if (a.length !== b.length) throw parted(`${what}: ${a.length} and ${b.length} logits`);
  const { difference, worst } = distance(a, b, rows);
  if (difference <= tolerance) return difference;
  // Without any spread there is nothing to compare: numbers ran away, and every token is as likely as the next.
  if (Number.isNaN(difference)) {
    throw new KaiwenError('bad_input', 'The trained model predicts nothing: its logits are all alike or no numbers.', {
      remedy: 'Training diverged: start over with a lower learning_rate.',
    });
  }
  const far = `${difference.toPrecision(3)} of their spread, ${tolerance} is allowed`;
  throw parted(`${what}: logits are ${far}; most at position ${worst}`);
}

/** The root mean square of the difference as a share of the spread of `a`, and the row where it is greatest. */
function distance(a: Float32Array, b: Float32Array, rows: number): { difference: number; worst: number } {
  const vocab = a.length / rows;
  let mean = 0;
  for (const value of a) mean += value / a.length;
  let spread = 0;
  let total = 0;
  let worst = { row: 0, sum: -1 };
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let i = row * vocab; i < (row + 1) * vocab; i++) {
      spread += (a[i] - mean) ** 2;
      sum += (a[i] - b[i]) ** 2;
    }
    total += sum;
    if (!(sum <= worst.sum)) worst = { row, sum };
  }
  return { difference: Math.sqrt(total / spread), worst: worst.row };
}

/**
 * Each token of the continuation must be the likeliest here too. Where two are closer than twice the difference that was
 * allowed, either is right.
 */
function sameGreedy(
  logits: Float32Array,
  ids: readonly number[],
  from: number,
  difference: number,
  what: string,
): void {
  const vocab = logits.length / ids.length;
  for (let at = from; at < ids.length; at++) {
    const row = logits.subarray((at - 1) * vocab, at * vocab);
    const best = row.indexOf(row.reduce((a, b) => Math.max(a, b)));
    if (best === ids[at]) continue;
    const mean = row.reduce((a, b) => a + b, 0) / vocab;
    const spread = Math.sqrt(row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / vocab);
    if (row[best] - row[ids[at]] <= 6 * difference * spread) continue;
    throw parted(`${what}: greedy token ${at - from + 1} is ${ids[at]} in one and ${best} in the other`);
  }
}

interface Weights {
  /** To write them in again without loss. */
  type: ConvertType;
  /** How far the rounding of the type they have may move logits. */
  tolerance: number;
  isFloat: boolean;
  /** A passing file of float32 is not too large. */
  fitsFloat: boolean;
  context: number;
}

function weightsOf(path: string): Weights {
  using checkpoint = openCheckpoint(path, { vocabulary: false });
  const matrices = [...checkpoint.tensors.values()].filter(({ shape }) => shape.length > 1);
  const types = new Set(matrices.map(({ dtype }) => dtype));
  const tolerance = Math.max(...[...types].map((dtype) => TOLERANCES[dtype] ?? COARSEST));
  const float = (['f32', 'f16', 'bf16'] as const).find((one) => types.size === 1 && types.has(one));
  const context = Number(checkpoint.config.max_position_embeddings ?? MAX_TOKENS);
  const elements = matrices.reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0);
  const fitsFloat = 4 * elements < LARGE;
  return { type: float ?? (fitsFloat ? 'f32' : 'q8_0'), tolerance, isFloat: float !== undefined, fitsFloat, context };
}

function parted(what: string): KaiwenError {
  return new KaiwenError('internal', `The exported model is not the trained one: ${what}.`, {
    remedy: 'Do not use it; keep the checkpoint and report this.',
  });
}

function quote(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return `"${line.length > 40 ? `${line.slice(0, 40)}…` : line}"`;
}
