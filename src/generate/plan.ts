/**
 * What a model will need, before anything is allocated: its settings, the arenas that its layers share, and whether the
 * machine has that much. A layer's weights and state stay together.
 */
import { KaiwenError } from '../errors.js';
import type { Checkpoint } from '../formats/checkpoint.js';
import type { ModelDefinition } from '../models/model.js';
import { type Arena, align, arenaOverhead, CountingArena, MAX_ARENA_BYTES } from '../tensor/arena.js';
import { chooseSimd, type Simd } from '../tensor/kernels.js';
import type { KvType } from '../tensor/ops/kv.js';
import { Cache, pagesFor, placedStateBytes, stateBytes } from './cache.js';
import { type HeldAdapter, layerBytes } from './held-adapter.js';
import { STAGING_BYTES } from './load-weights.js';
import { availableMemory, physicalCores } from './machine.js';
import type { WorkerOptions } from './messages.js';
import { MAX_STEP_ROWS, Runner } from './runner.js';
import type { HeldWeight } from './weights.js';

const DEFAULT_CONTEXT = 8192;
const DEFAULT_CHUNK = 256;
/** How many sequences are tried, in order, where their number is left to the memory. */
const FITTING_SEQUENCES = [64, 32, 16, 8, 4, 2, 1];
const MAX_SEQUENCES = 256;
/** Sequences with a cache of the whole context each, and tokens for each of those beyond, that a cache has by default. */
const WHOLE_CONTEXTS = 4;
const USUAL_TOKENS = 2048;
/** Most of the memory that is left beside the weights for pages that are not strictly needed. */
const CACHE_SHARE = 0.5;
/** Slots for snapshots of recurrent states, beside one for each sequence. */
const [LEAST_SNAPSHOTS, MOST_SNAPSHOTS] = [2, 16];

export interface Plan {
  settings: Settings;
  /** Bytes of each arena, scratch included. */
  sizes: number[];
  /** The arena of each layer, from the embedding (-1) to norm and head (the number of blocks). */
  arenaIndex: Map<number, number>;
}

export interface Settings {
  threads: number;
  simd: Simd;
  context: number;
  sequences: number;
  /** Of keys and values, for all sequences together. */
  pages: number;
  /** Slots for snapshots of recurrent states. */
  snapshots: number;
  kv: KvType;
  chunk: number;
}

/** Throws KaiwenError 'usage' on options that make no sense, 'unsupported' and 'out_of_memory' where the model cannot fit. */
export function planMemory(
  checkpoint: Checkpoint,
  model: ModelDefinition,
  held: readonly HeldWeight[],
  adapters: readonly HeldAdapter[],
  options: WorkerOptions,
): Plan {
  /** Of so many sequences, however many pages there are. */
  const scratches = new Map<number, number>();
  const tryWith = (sequences: number, pages: number): Plan => {
    const settings = { ...readSettings(options, model, sequences), pages };
    const groups = groupByLayer(model, held, adapters, settings);
    const step = scratches.get(sequences) ?? scratchBytes(model, adapters, settings);
    scratches.set(sequences, step);
    const scratch = align(Math.max(step, STAGING_BYTES)) + STAGING_BYTES;
    const room = MAX_ARENA_BYTES - arenaOverhead(settings.threads) - scratch;
    const { layers, arenaIndex } = fillArenas(groups, Math.min(room, options.arenaBytes ?? room));
    const sizes = layers.map((bytes) => bytes + scratch);
    checkMemory(checkpoint, sizes);
    return { settings, sizes, arenaIndex };
  };
  const choices = options.sequences === 'fitting' ? FITTING_SEQUENCES : [options.sequences ?? 1];
  for (const sequences of choices) {
    const { context } = readSettings(options, model, sequences);
    const least = pagesFor(context);
    for (let pages = wantedPages(model, held, options, sequences, context); pages > least; pages >>= 1) {
      try {
        return tryWith(sequences, pages);
      } catch (error) {
        // Fewer pages then, as long as they are a choice; what is wrong with the fewest is said.
        if (options.cacheBytes !== undefined) throw error;
      }
    }
    try {
      return tryWith(sequences, least);
    } catch (error) {
      if (sequences === choices.at(-1)) throw error;
    }
  }
  throw new Error('unreachable');
}

/** As many pages as are asked for, or as all sequences will usually need, while there is memory for them. */
function wantedPages(
  model: ModelDefinition,
  held: readonly HeldWeight[],
  options: WorkerOptions,
  sequences: number,
  context: number,
): number {
  const type = options.kv ?? 'f16';
  const states = model.blocks.flatMap((block) => block.states).filter(({ kind }) => kind === 'kv');
  const pageBytes = states.reduce((sum, state) => sum + stateBytes(state, type), 0);
  const least = pagesFor(context);
  if (options.cacheBytes !== undefined) {
    if (options.cacheBytes < least * pageBytes) {
      throw new KaiwenError(
        'usage',
        `${bytesAsText(options.cacheBytes)} of cache do not hold one context of ${context} tokens.`,
        { remedy: `Give at least ${bytesAsText(least * pageBytes)}, or a smaller --context.` },
      );
    }
    return Math.min(Math.floor(options.cacheBytes / Math.max(1, pageBytes)), sequences * least * 16);
  }
  const usual = sequences * pagesFor(Math.min(context, USUAL_TOKENS));
  const wanted = Math.max(Math.min(sequences, WHOLE_CONTEXTS) * least, usual);
  const weights = held.reduce((sum, { bytes }) => sum + bytes, 0);
  const affordable = Math.floor(((availableMemory() - weights) * CACHE_SHARE) / Math.max(1, pageBytes));
  return Math.max(least, Math.min(wanted, affordable));
}

function readSettings(options: WorkerOptions, model: ModelDefinition, sequences: number): Omit<Settings, 'pages'> {
  if (!(Number.isInteger(sequences) && sequences >= 1 && sequences <= MAX_SEQUENCES)) {
    throw new KaiwenError('usage', `${sequences} sequences at once are not possible.`, {
      remedy: `Give a whole number from 1 to ${MAX_SEQUENCES}.`,
    });
  }
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
    sequences,
    snapshots: Math.min(Math.max(sequences, LEAST_SNAPSHOTS), MOST_SNAPSHOTS),
    kv: options.kv ?? 'f16',
    chunk: Math.min(options.chunk ?? DEFAULT_CHUNK, context),
  };
}

/** One layer's memory: weights and state that must share an arena. */
interface Group {
  layer: number;
  bytes: number;
}

/** Bytes of each layer, from the embedding (-1) to norm and head (the number of blocks). */
function groupByLayer(
  model: ModelDefinition,
  held: readonly HeldWeight[],
  adapters: readonly HeldAdapter[],
  settings: Settings,
): Group[] {
  const last = model.blocks.length;
  const slots = settings.sequences + settings.snapshots;
  const groups = Array.from({ length: last + 2 }, (_, i) => ({ layer: i - 1, bytes: 0 }));
  const groupOf = (weight: HeldWeight) => groups[(weight === model.head.weight ? last : weight.layer) + 1];
  for (const weight of held) groupOf(weight).bytes += align(weight.bytes);
  for (const adapter of adapters) {
    for (const layer of adapter.layers.values()) groupOf(layer.weight).bytes += layerBytes(layer);
  }
  model.blocks.forEach((block, layer) => {
    for (const state of block.states) {
      groups[layer + 1].bytes += placedStateBytes(state, settings.kv, { pages: settings.pages, slots });
    }
  });
  return groups;
}

/** Puts consecutive groups into arenas of at most `room` bytes. */
function fillArenas(groups: readonly Group[], room: number): { layers: number[]; arenaIndex: Map<number, number> } {
  const layers = [0];
  const arenaIndex = new Map<number, number>();
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
    if (layers[layers.length - 1] + bytes > room) layers.push(0);
    layers[layers.length - 1] += bytes;
    arenaIndex.set(layer, layers.length - 1);
  }
  return { layers, arenaIndex };
}

/** Most scratch that a step needs, found by recording one of the largest without running it. */
function scratchBytes(model: ModelDefinition, adapters: readonly HeldAdapter[], settings: Settings): number {
  const arena = new CountingArena();
  // Without machine code activations take the most room.
  const executor = { simd: settings.simd, isNative: false, run: (from: Arena) => from.program.clear() };
  const embedding = model.embedding as HeldWeight;
  const parallel = Math.min(settings.sequences, MAX_STEP_ROWS);
  const cache = new Cache(settings.kv, { capacity: settings.context, sequences: parallel }, model.rope);
  // Opened before there are states, which have no memory here that could be cleared.
  const sequences = Array.from({ length: parallel }, () => cache.open([0])!);
  for (const block of model.blocks) for (const state of block.states) cache.place(state, arena);
  const placed = arena.peak;
  embedding.arena = arena;
  const runner = new Runner(model, new Array(model.blocks.length + 1).fill(arena), cache, executor);
  // Part of a prompt by itself, and all sequences together.
  const shared = Math.ceil(MAX_STEP_ROWS / parallel);
  const steps = [
    [1, settings.chunk],
    [parallel, Math.min(shared, settings.context)],
  ];
  for (const adapter of [undefined, ...adapters]) {
    for (const [count, rows] of steps) {
      const tokens = new Array<number>(rows).fill(0);
      const parts = sequences.slice(0, count).map((sequence) => ({ sequence, tokens }));
      for (const { sequence } of parts) {
        sequence.adapter = adapter;
        sequence.reserve(rows);
      }
      runner.forward(parts, (hidden) => runner.logits(hidden, 0, Math.min(MAX_STEP_ROWS, hidden.rows)));
      for (const { sequence } of parts) sequence.tokens.length = 0;
    }
  }
  // Lists of pages are longer where sequences are.
  return arena.peak - placed + 4 * MAX_STEP_ROWS * pagesFor(settings.context);
}

function checkMemory(checkpoint: Checkpoint, sizes: readonly number[]): void {
  const needed = sizes.reduce((sum, bytes) => sum + bytes, 0);
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

function bytesAsText(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
