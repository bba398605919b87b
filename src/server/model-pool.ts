/**
 * Several models within a memory budget: one is loaded when it is first asked for, once however many ask, and unloaded
 * when nobody has needed it for a while or when another needs the room: the one that was needed least recently goes
 * first, and never one that somebody holds. A load that fails is an error to those who wait for it; the next request
 * tries again.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describeError, KaiwenError } from '../errors.js';
import type { Model } from '../generate/api.js';
import type { EngineOptions } from '../generate/engine.js';
import { HttpError } from './http-error.js';
import { findServed, type Lease, type ModelHub, type ServedModel } from './hub.js';
import type { PoolModel } from './models-file.js';

export interface PoolOptions {
  /** The default first. */
  models: readonly PoolModel[];
  /** Most bytes of weights and caches together; absent: what the machine has. */
  memory?: number;
  load: (path: string, options: EngineOptions) => Promise<Model>;
  /** Bytes that a model will need at least, before it has ever been loaded; default: the size of its weight files. */
  estimate?: (path: string) => number;
  /** Requests that may wait for loads at once; default 256. */
  maxWaiting?: number;
  /** How long a load waits for others to give room; default 60 s. */
  roomMs?: number;
  /** After a failed load, this long the same error is the answer; default 3 s. */
  retryMs?: number;
  note?: (message: string) => void;
}

export class ModelPool implements ModelHub {
  readonly #slots: readonly Slot[];
  readonly #options: Required<PoolOptions>;
  readonly #created = Math.floor(Date.now() / 1000);
  /** Loads that want room, told when some may have come. */
  readonly #wanting = new Set<() => void>();
  #waiting = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = {
      memory: Number.POSITIVE_INFINITY,
      estimate: weightFileBytes,
      maxWaiting: 256,
      roomMs: 60_000,
      retryMs: 3_000,
      note: () => {},
      ...withoutUndefined(options),
    };
    this.#slots = options.models.map((model) => new Slot(model));
  }

  list(): ServedModel[] {
    return this.#slots.flatMap((slot) => this.#entries(slot));
  }

  find(asked: string | null | undefined): ServedModel {
    const slot = this.#slots.find(({ config }) => asked && config.aliases.includes(asked));
    return slot ? this.#entries(slot)[0] : findServed(this.list(), asked);
  }

  async open(asked: string | null | undefined, signal: AbortSignal): Promise<Lease> {
    const { id, parent } = this.find(asked);
    const slot = this.#slots.find(({ config }) => config.name === (parent ?? id))!;
    if (slot.model) slot.hold();
    const model = slot.model ?? (await this.#wait(slot, signal));
    let held = true;
    return {
      id,
      model,
      ...(parent !== undefined && { adapter: id }),
      [Symbol.dispose]: () => {
        if (held) this.#release(slot);
        held = false;
      },
    };
  }

  /** Loads what is to be there from the start. What fails is noted, stays missing, and is tried again when asked for. */
  async preload(): Promise<void> {
    for (const { config } of this.#slots.filter(({ config }) => config.preload)) {
      const lease = await this.open(config.name, NEVER).catch(() => undefined);
      lease?.[Symbol.dispose]();
    }
  }

  get missing(): string[] {
    return this.#slots.filter(({ config, proven }) => config.preload && !proven).map(({ config }) => config.name);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#roomMayBe();
    for (const slot of this.#slots) {
      slot.stop.abort();
      await slot.loading?.catch(() => {});
      await this.#unload(slot);
    }
  }

  #entries({ config, model }: Slot): ServedModel[] {
    const { path, name, options } = config;
    const common = { created: this.#created, path, loaded: model !== undefined, info: model?.info, model };
    return [
      { id: name, canThink: model?.canThink, ...common },
      ...(options.adapters ?? []).map((adapter) => ({
        id: adapter.name,
        parent: name,
        canThink: model?.canThink,
        ...common,
      })),
    ];
  }

  /** The slot's model, held, once it is loaded by whoever was the first to ask. */
  async #wait(slot: Slot, signal: AbortSignal): Promise<Model> {
    signal.throwIfAborted();
    if (this.#closed) throw new HttpError(503, 'server_stopping', 'The server is stopping.');
    if (this.#waiting >= this.#options.maxWaiting)
      throw new HttpError(503, 'overloaded', 'Too many requests wait for models to be loaded: try again later.', {
        headers: { 'retry-after': '5' },
      });
    if (slot.failure && performance.now() - slot.failure.at < this.#options.retryMs) throw slot.failure.error;
    this.#waiting++;
    slot.wanted++;
    try {
      slot.loading ??= this.#load(slot).finally(() => {
        slot.loading = undefined;
      });
      slot.loading.catch(() => {});
      const model = await orAborted(slot.loading, signal);
      slot.hold();
      return model;
    } finally {
      this.#waiting--;
      slot.wanted--;
    }
  }

  async #load(slot: Slot): Promise<Model> {
    const { config } = slot;
    const { note, load, estimate, memory } = this.#options;
    try {
      await slot.unloading;
      slot.bytes ||= estimate(config.path);
      const deadline = performance.now() + this.#options.roomMs;
      for (;;) {
        await this.#reserve(slot, deadline);
        if (this.#closed) throw new KaiwenError('closed', 'the server is stopping');
        try {
          const started = performance.now();
          const model = await load(config.path, { ...config.options, signal: slot.stop.signal });
          slot.reserved = slot.bytes = model.info.weightBytes + model.info.cacheBytes;
          // More than was thought: whoever is idle makes up for it, or it begins again with what is known now.
          while (this.#used() > memory && (await this.#evict(slot)));
          if (this.#used() > memory) {
            await model.close();
            slot.reserved = 0;
            continue;
          }
          slot.failure = undefined;
          slot.proven = true;
          slot.model = model;
          slot.usedAt = performance.now();
          this.#rest(slot);
          note(`${config.name}: loaded in ${Math.round(slot.usedAt - started)} ms`);
          return model;
        } catch (error) {
          slot.reserved = 0;
          // The machine has less than the budget: as long as somebody can go, there is hope.
          const short = error instanceof KaiwenError && error.code === 'out_of_memory';
          if (!short || !(await this.#evict(slot))) throw error;
        }
      }
    } catch (cause) {
      const error = loadError(config.name, cause);
      slot.failure = { at: performance.now(), error };
      note(`${config.name}: not loaded: ${describeError(cause)}`);
      throw error;
    }
  }

  #used(): number {
    return this.#slots.reduce((sum, { reserved }) => sum + reserved, 0);
  }

  /** Counts the slot's bytes once they fit: unloads others for it, and waits for those who hold what is in the way. */
  async #reserve(slot: Slot, deadline: number): Promise<void> {
    const { memory } = this.#options;
    if (slot.bytes > memory)
      throw new KaiwenError('out_of_memory', `it needs ${megabytes(slot.bytes)}, the budget is ${megabytes(memory)}`);
    while (this.#used() + slot.bytes > memory) {
      if (await this.#evict(slot)) continue;
      if (this.#closed || performance.now() > deadline)
        throw new KaiwenError('out_of_memory', 'the models that are loaded are all in use');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline - performance.now() + 1);
        this.#wanting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    slot.reserved = slot.bytes;
  }

  /** Unloads the one of the others that was needed least recently. False: all are in use. */
  async #evict(but: Slot): Promise<boolean> {
    let oldest: Slot | undefined;
    for (const slot of this.#slots) {
      if (slot !== but && slot.idle && slot.usedAt < (oldest?.usedAt ?? Number.POSITIVE_INFINITY)) oldest = slot;
    }
    if (!oldest) return false;
    await this.#unload(oldest);
    return true;
  }

  #release(slot: Slot): void {
    slot.holders--;
    slot.usedAt = performance.now();
    if (!slot.idle) return;
    this.#roomMayBe();
    this.#rest(slot);
  }

  /** Nobody needs the slot's model: its time runs. */
  #rest(slot: Slot): void {
    const { idleMs } = slot.config;
    clearTimeout(slot.timer);
    if (idleMs === undefined) return;
    slot.timer = setTimeout(() => {
      if (slot.idle) void this.#unload(slot);
    }, idleMs).unref();
  }

  #unload(slot: Slot): Promise<void> {
    const { model } = slot;
    if (!model) return slot.unloading ?? Promise.resolve();
    clearTimeout(slot.timer);
    slot.model = undefined;
    slot.unloading = model
      .close()
      .catch((error) => this.#options.note(`${slot.config.name}: ${describeError(error)}`))
      .then(() => {
        slot.reserved = 0;
        slot.unloading = undefined;
        this.#options.note(`${slot.config.name}: unloaded`);
        this.#roomMayBe();
      });
    return slot.unloading;
  }

  #roomMayBe(): void {
    for (const tell of [...this.#wanting]) tell();
    this.#wanting.clear();
  }
}

const NEVER = new AbortController().signal;

/** A model's place in the pool. */
class Slot {
  model?: Model;
  loading?: Promise<Model>;
  unloading?: Promise<void>;
  readonly stop = new AbortController();
  holders = 0;
  /** Requests that wait for the load. */
  wanted = 0;
  usedAt = 0;
  /** What it takes: at first a guess, later what it took. */
  bytes = 0;
  /** What is counted of the budget now. */
  reserved = 0;
  /** It has been loaded once. */
  proven = false;
  failure?: { at: number; error: HttpError };
  timer?: ReturnType<typeof setTimeout>;

  constructor(readonly config: PoolModel) {}

  /** Loaded, and nobody needs it. */
  get idle(): boolean {
    return this.model !== undefined && this.holders === 0 && this.wanted === 0;
  }

  hold(): void {
    this.holders++;
    clearTimeout(this.timer);
  }
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** What clients hear: no paths, and to come again. */
function loadError(name: string, cause: unknown): HttpError {
  const headers = { 'retry-after': '5' };
  if (cause instanceof KaiwenError && cause.code === 'out_of_memory') {
    const message = `There is no memory for the model '${name}' now: ${cause.message}.`;
    return new HttpError(503, 'out_of_memory', message, { headers, cause });
  }
  const message = `The model '${name}' could not be loaded; the server's log says why.`;
  return new HttpError(503, 'model_not_loaded', message, { headers, cause });
}

/** Bytes of the files that hold a model's weights: what loading takes at the least. 0 where there are none. */
export function weightFileBytes(path: string): number {
  const info = statSync(path, { throwIfNoEntry: false });
  if (!info?.isDirectory()) return info?.size ?? 0;
  let bytes = 0;
  for (const name of readdirSync(path)) {
    if (/\.(safetensors|gguf)$/i.test(name)) bytes += statSync(join(path, name)).size;
  }
  return bytes;
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as T;
}
