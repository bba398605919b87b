/**
 * A model in memory: planned, refused if it cannot fit, placed into arenas and filled. Whole layers stay together;
 * the embedding sits with the first layer, or with the output head where the two are one.
 */
import { inFile, KaiwenError } from '../errors.js';
import type { Checkpoint } from '../formats/checkpoint.js';
import { openCheckpoint } from '../formats/open.js';
import { buildModel, type ModelDefinition } from '../models/model.js';
import { type Arena, align, arenaOverhead, CountingArena, MAX_ARENA_BYTES } from '../tensor/arena.js';
import { chooseSimd, type Simd } from '../tensor/kernels.js';
import type { KvType } from '../tensor/ops/kv.js';
import { Team } from '../tensor/team.js';
import { Cache, placedStateBytes, stateBytes } from './cache.js';
import type { EngineInfo, LoadProgress } from './engine.js';
import { loadWeights, STAGING_BYTES } from './load-weights.js';
import { availableMemory, physicalCores } from './machine.js';
import type { WorkerOptions } from './messages.js';
import { MAX_STEP_ROWS, Runner } from './runner.js';
import { CheckpointWeights, type HeldWeight } from './weights.js';

const DEFAULT_CONTEXT = 8192;
const DEFAULT_CHUNK = 256;

/** One layer's memory: weights and state that must share an arena. */
interface Group {
  layer: number;
  bytes: number;
}

export class LoadedModel implements Disposable {
  private constructor(
    readonly info: EngineInfo,
    readonly definition: ModelDefinition,
    readonly cache: Cache,
    readonly runner: Runner,
    readonly chunk: number,
    private readonly team: Team,
  ) {}

  /** Opens, checks, places and reads the model at `path`. `report` may throw to stop. */
  static async load(
    path: string,
    options: WorkerOptions,
    report: (progress: LoadProgress) => void,
  ): Promise<LoadedModel> {
    const started = performance.now();
    using checkpoint = openCheckpoint(path, { vocabulary: false });
    const weights = new CheckpointWeights(checkpoint);
    const definition = inFile(path, () => buildModel(checkpoint.config, weights, weights.enterLayer));
    weights.checkAllUsed();
    const settings = readSettings(options, definition);

    const groups = groupByLayer(definition, weights.held, settings);
    const scratch = align(Math.max(scratchBytes(definition, settings), STAGING_BYTES)) + STAGING_BYTES;
    const room = MAX_ARENA_BYTES - arenaOverhead(settings.threads) - scratch;
    const plan = fillArenas(groups, Math.min(room, options.arenaBytes ?? room));
    checkMemory(checkpoint, plan.sizes, scratch);

    const team = new Team(
      plan.sizes.map((bytes) => bytes + scratch),
      settings,
    );
    try {
      await team.assembled();
      const arenaOf = (layer: number) => team.arenas[plan.arenaOf.get(layer)!];
      const cache = new Cache(settings.kv, settings.context, settings.sequences);
      const head = definition.head.weight as HeldWeight;
      for (const weight of inPlacingOrder(weights.held)) {
        // A tied embedding is asked for first and used last.
        weight.arena = arenaOf(weight === head ? definition.blocks.length : weight.layer);
        weight.pointer = weight.arena.alloc(weight.bytes);
      }
      definition.blocks.forEach((block, layer) => {
        for (const state of block.states) cache.place(state, arenaOf(layer));
      });
      loadWeights(checkpoint, weights.held, team, report);
      const arenas = Array.from({ length: definition.blocks.length + 1 }, (_, layer) => arenaOf(layer));
      const info = describe(checkpoint, definition, weights.held, settings, performance.now() - started);
      return new LoadedModel(
        info,
        definition,
        cache,
        new Runner(definition, arenas, cache, team),
        settings.chunk,
        team,
      );
    } catch (error) {
      team[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.team[Symbol.dispose]();
  }
}

interface Settings {
  threads: number;
  simd: Simd;
  context: number;
  sequences: number;
  kv: KvType;
  chunk: number;
}

function readSettings(options: WorkerOptions, model: ModelDefinition): Settings {
  const context = options.context ?? Math.min(model.maxContext, DEFAULT_CONTEXT);
  if (context > model.maxContext) {
    throw new KaiwenError('usage', `A context of ${context} tokens is more than the model's ${model.maxContext}.`, {
      remedy: `Use --context ${model.maxContext} or less.`,
    });
  }
  return {
    threads: options.threads ?? physicalCores(),
    simd: chooseSimd(options.simd),
    context,
    sequences: readSequences(options.sequences),
    kv: options.kv ?? 'f16',
    chunk: Math.min(options.chunk ?? DEFAULT_CHUNK, context),
  };
}

function readSequences(sequences = 1): number {
  if (Number.isInteger(sequences) && sequences >= 1 && sequences <= MAX_STEP_ROWS) return sequences;
  throw new KaiwenError('usage', `${sequences} sequences at once are not possible.`, {
    remedy: `Give a whole number from 1 to ${MAX_STEP_ROWS}.`,
  });
}

/** Bytes of each layer, from the embedding (-1) to norm and head (the number of blocks). */
function groupByLayer(model: ModelDefinition, held: readonly HeldWeight[], settings: Settings): Group[] {
  const last = model.blocks.length;
  const groups = Array.from({ length: last + 2 }, (_, i) => ({ layer: i - 1, bytes: 0 }));
  for (const weight of held) {
    groups[(weight === model.head.weight ? last : weight.layer) + 1].bytes += align(weight.bytes);
  }
  model.blocks.forEach((block, layer) => {
    for (const state of block.states) {
      groups[layer + 1].bytes += settings.sequences * placedStateBytes(state, settings.kv, settings.context);
    }
  });
  return groups;
}

/** Matrices before vectors: layers that read the same input then lie side by side, and so do their biases. */
function inPlacingOrder(held: readonly HeldWeight[]): HeldWeight[] {
  const isVector = (w: HeldWeight) => Number(w.rows === 1);
  return [...held].sort((a, b) => a.layer - b.layer || isVector(a) - isVector(b));
}

/** Puts consecutive groups into arenas of at most `room` bytes. */
function fillArenas(groups: readonly Group[], room: number): { sizes: number[]; arenaOf: Map<number, number> } {
  const sizes = [0];
  const arenaOf = new Map<number, number>();
  for (const { layer, bytes } of groups) {
    if (bytes > room) {
      throw new KaiwenError(
        'unsupported',
        `One layer needs ${bytesAsText(bytes)}; an arena has room for ${bytesAsText(Math.max(0, room))}.`,
        {
          remedy: 'Use a smaller quantisation, a smaller --context or fewer sequences.',
        },
      );
    }
    if (sizes[sizes.length - 1] + bytes > room) sizes.push(0);
    sizes[sizes.length - 1] += bytes;
    arenaOf.set(layer, sizes.length - 1);
  }
  return { sizes, arenaOf };
}

/** Most scratch that a step needs, found by recording one of the largest without running it. */
function scratchBytes(model: ModelDefinition, settings: Settings): number {
  const arena = new CountingArena();
  const executor = { simd: settings.simd, run: (from: Arena) => from.program.clear() };
  const embedding = model.embedding as HeldWeight;
  const cache = new Cache(settings.kv, settings.context, settings.sequences);
  for (const block of model.blocks) for (const state of block.states) cache.place(state, arena);
  const placed = arena.peak;
  embedding.arena = arena;
  const runner = new Runner(model, new Array(model.blocks.length + 1).fill(arena), cache, executor);
  // Part of a prompt by itself, and all sequences together.
  const shared = Math.floor(MAX_STEP_ROWS / settings.sequences);
  for (const [count, rows] of [
    [1, settings.chunk],
    [settings.sequences, Math.min(shared, settings.context)],
  ]) {
    const tokens = new Array<number>(rows).fill(0);
    const parts = cache.sequences.slice(0, count).map((sequence) => ({ sequence, tokens }));
    runner.forward(parts, (hidden) => runner.logits(hidden, 0, Math.min(MAX_STEP_ROWS, hidden.rows)));
    for (const { sequence } of parts) sequence.tokens.length = 0;
  }
  return arena.peak - placed;
}

function checkMemory(checkpoint: Checkpoint, sizes: readonly number[], scratch: number): void {
  const needed = sizes.reduce((sum, bytes) => sum + bytes + scratch, 0);
  const available = availableMemory();
  if (needed > available) {
    throw new KaiwenError(
      'out_of_memory',
      `${checkpoint.path} needs ${bytesAsText(needed)} of memory; ${bytesAsText(available)} are available.`,
      {
        remedy:
          'Close other programs, choose a smaller --context or fewer sequences, or convert the model to a smaller type (kaiwen convert).',
      },
    );
  }
}

function describe(
  checkpoint: Checkpoint,
  model: ModelDefinition,
  held: readonly HeldWeight[],
  settings: Settings,
  loadMs: number,
): EngineInfo {
  const elements = (w: HeldWeight) => w.count * w.rows * w.columns;
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  const topK = Number(checkpoint.config.num_experts_per_tok ?? 1);
  return {
    architecture: String(checkpoint.config.model_type),
    parameters: sum(held.map(elements)),
    vocabSize: model.vocabSize,
    hiddenSize: model.hiddenSize,
    context: settings.context,
    maxContext: model.maxContext,
    threads: settings.threads,
    simd: settings.simd,
    sequences: settings.sequences,
    kv: settings.kv,
    weightBytes: sum(held.map((w) => w.bytes)),
    cacheBytes:
      settings.sequences *
      sum(model.blocks.flatMap((b) => b.states.map((s) => stateBytes(s, settings.kv, settings.context)))),
    // Decoding reads every matrix once, but of the experts only the chosen and of the embedding one row.
    bytesPerToken: sum(
      held.map((w) => {
        if (w === model.embedding && w !== model.head.weight) return w.bytes / w.rows;
        return w.count > 1 ? w.stride * Math.min(topK, w.count) : w.bytes;
      }),
    ),
    loadMs,
    notices: checkpoint.notices,
  };
}

function bytesAsText(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
