/**
 * A model in memory: planned (plan.ts), placed into arenas and filled. The embedding sits with the first layer, or with
 * the output head where the two are one.
 */
import { Adapter } from '../adapters/adapter.js';
import { inFile, KaiwenError } from '../errors.js';
import type { Checkpoint } from '../formats/checkpoint.js';
import { openCheckpoint } from '../formats/open.js';
import { buildModel, type ModelDefinition } from '../models/model.js';
import { isFloat } from '../tensor/ops/layout.js';
import { Team } from '../tensor/team.js';
import { Cache, placedStateBytes } from './cache.js';
import type { AdapterSource, EngineInfo, LoadProgress } from './engine.js';
import { HeldAdapter } from './held-adapter.js';
import { loadWeights } from './load-weights.js';
import type { WorkerOptions } from './messages.js';
import { planMemory, type Settings } from './plan.js';
import { Runner } from './runner.js';
import { identityOf, Spill } from './spill.js';
import { CheckpointWeights, type HeldWeight } from './weights.js';

export class LoadedModel implements Disposable {
  private constructor(
    readonly info: EngineInfo,
    readonly definition: ModelDefinition,
    readonly cache: Cache,
    readonly runner: Runner,
    readonly adapters: readonly HeldAdapter[],
    readonly chunk: number,
    private readonly team: Team,
  ) {}

  /** Opens, checks, places and reads the model at `path`. `report` may throw to stop. */
  static load(path: string, options: WorkerOptions, report: (progress: LoadProgress) => void): LoadedModel {
    const started = performance.now();
    using checkpoint = openCheckpoint(path, { vocabulary: false });
    const weights = new CheckpointWeights(checkpoint);
    const definition = inFile(path, () => buildModel(checkpoint.config, weights, weights.enterLayer));
    weights.checkAllUsed();
    using opened = openAdapters(options.adapters ?? []);
    const adapters = opened.adapters.map(({ name, adapter }) =>
      HeldAdapter.find(name, adapter, checkpoint, definition, weights.held),
    );
    const { settings, sizes, arenaIndex } = planMemory(checkpoint, definition, weights.held, adapters, options);
    const team = new Team(sizes, { ...settings, native: options.native });
    try {
      const arenaOf = (layer: number) => team.arenas[arenaIndex.get(layer)!];
      const { context: capacity, sequences, pages, snapshots } = settings;
      const leastRows = anyRowsAreSame(definition, weights.held, adapters, settings, team) ? 1 : PROMPT_ROWS;
      const cache = new Cache(settings.kv, { capacity, sequences, pages, snapshots, leastRows }, definition.rope);
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
      for (const adapter of adapters) adapter.load(checkpoint, team);
      const notices = startSpill(cache, path, options, settings, adapters, team);
      const arenas = Array.from({ length: definition.blocks.length + 1 }, (_, layer) => arenaOf(layer));
      const loadMs = performance.now() - started;
      const base = describe(checkpoint, definition, weights.held, settings, team, loadMs);
      const info = {
        ...base,
        adapters: adapters.map((adapter) => adapter.info),
        notices: [...base.notices, ...notices],
      };
      return new LoadedModel(
        info,
        definition,
        cache,
        new Runner(definition, arenas, cache, team),
        adapters,
        settings.chunk,
        team,
      );
    } catch (error) {
      team[Symbol.dispose]();
      throw error;
    }
  }

  /** Of the team's other threads (Team.lifelines). */
  get lifelines() {
    return this.team.lifelines;
  }

  [Symbol.dispose](): void {
    this.cache.store.spill();
    this.team[Symbol.dispose]();
  }
}

/** Lets pages go to disk where that is asked for; returns what is to be said about it. */
function startSpill(
  cache: Cache,
  path: string,
  { spill, adapters: sources = [] }: WorkerOptions,
  { simd }: Settings,
  adapters: readonly HeldAdapter[],
  { native }: Team,
): string[] {
  if (!spill) return [];
  if (cache.isRecurrent) return ['Prefixes stay in memory: the states of recurrent layers are not written to disk.'];
  const identity = [
    identityOf(path),
    cache.type,
    simd,
    'refused' in native ? '' : native.isa,
    ...adapters.map(({ name }, i) => `${name} ${identityOf(sources[i].path)}`),
  ].join('\n');
  const notices: string[] = [];
  let isLoaded = false;
  cache.store.backing = new Spill(spill, identity, cache.layers, (notice) => {
    if (isLoaded) process.emitWarning(notice);
    else notices.push(notice);
  });
  isLoaded = true;
  return notices;
}

/** The files of all adapters, open until disposed. */
function openAdapters(
  sources: readonly AdapterSource[],
): Disposable & { adapters: { name: string; adapter: Adapter }[] } {
  const names = sources.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) {
    throw new KaiwenError('usage', `Two adapters are called "${twice}".`, {
      remedy: 'Give one another name: --adapter name=path.',
    });
  }
  const adapters: { name: string; adapter: Adapter }[] = [];
  const close = () => {
    for (const { adapter } of adapters) adapter.close();
  };
  try {
    for (const { name, path } of sources) adapters.push({ name, adapter: Adapter.open(path) });
  } catch (error) {
    close();
    throw error;
  }
  return { adapters, [Symbol.dispose]: close };
}

/** A run of fewer rows may be computed by other kernels, whose sums have another order. */
const PROMPT_ROWS = 33;

/** Whether a token gets the same bits in a run of one row as in one of many. */
function anyRowsAreSame(
  { blocks }: ModelDefinition,
  held: readonly HeldWeight[],
  adapters: readonly HeldAdapter[],
  { kv }: Settings,
  { isNative }: Team,
): boolean {
  // The delta rule takes in single tokens, or many at once.
  if (blocks.some(({ states }) => states.some(({ kind }) => kind === 'delta'))) return false;
  // WebAssembly has products of integers for few rows over the 8-bit cache, machine code packs float weights for many.
  if (!isNative) return kv !== 'int8';
  return adapters.length === 0 && held.every(({ type, rows }) => rows === 1 || !isFloat(type));
}

/** Matrices before vectors: layers that read the same input then lie side by side, and so do their biases. */
function inPlacingOrder(held: readonly HeldWeight[]): HeldWeight[] {
  const isVector = (w: HeldWeight) => Number(w.rows === 1);
  return [...held].sort((a, b) => a.layer - b.layer || isVector(a) - isVector(b));
}

function describe(
  checkpoint: Checkpoint,
  model: ModelDefinition,
  held: readonly HeldWeight[],
  settings: Settings,
  { native }: Team,
  loadMs: number,
): Omit<EngineInfo, 'adapters'> {
  const elements = (w: HeldWeight) => w.count * w.rows * w.columns;
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  const size = { pages: settings.pages, slots: settings.sequences + settings.snapshots };
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
    native: 'refused' in native ? null : native.isa,
    sequences: settings.sequences,
    kv: settings.kv,
    weightBytes: sum(held.map((w) => w.bytes)),
    cacheBytes: sum(
      model.blocks.flatMap(({ states }) => states.map((state) => placedStateBytes(state, settings.kv, size))),
    ),
    // Decoding reads every matrix once, but of the experts only the chosen and of the embedding one row.
    bytesPerToken: sum(
      held.map((w) => {
        if (w === model.embedding && w !== model.head.weight) return w.bytes / w.rows;
        return w.count > 1 ? w.stride * Math.min(topK, w.count) : w.bytes;
      }),
    ),
    loadMs,
    notices:
      'refused' in native
        ? [...checkpoint.notices, `WebAssembly computes everything: ${native.refused}.`]
        : checkpoint.notices,
  };
}
