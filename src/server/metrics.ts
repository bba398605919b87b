/**
 * What Prometheus reads at /metrics. Labels are routes' patterns, statuses and names of served models, so that no client
 * can make their number grow.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EngineStatus } from '../generate/engine.js';
import type { ModelHub, ServedModel } from './hub.js';
import type { Lifecycle } from './lifecycle.js';
import { tokensOf } from './logs.js';
import type { Observer, RequestRecord } from './record.js';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const BETWEEN = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5];

/** Counts since the start of the engine that are read off its status. */
const ENGINE_COUNTERS: Record<string, [help: string, of: (status: EngineStatus) => number]> = {
  kaiwen_engine_steps_total: ['Decoding steps', ({ steps }) => steps],
  kaiwen_engine_rows_total: ['Rows of decoding steps; divided by the steps, the size of a batch', ({ rows }) => rows],
  kaiwen_engine_step_seconds_total: ['Time in decoding steps', ({ stepMs }) => stepMs / 1000],
  kaiwen_engine_chunks_total: ['Chunks of prompts computed', ({ chunks }) => chunks],
  kaiwen_engine_chunk_seconds_total: ['Time in chunks of prompts', ({ chunkMs }) => chunkMs / 1000],
  kaiwen_engine_preemptions_total: [
    'Answers that gave their memory back for a while',
    ({ preemptions }) => preemptions,
  ],
  kaiwen_cache_hit_tokens_total: ['Tokens of prompts taken over from earlier ones', ({ pages }) => pages.hits],
  kaiwen_engine_restarts_total: ['Starts of a failed engine', ({ restarts }) => restarts],
};

export class Metrics implements Observer {
  readonly #registry = new Registry();
  readonly #requests: Counter<'protocol' | 'route' | 'status'>;
  readonly #seconds: Histogram<'protocol' | 'route'>;
  readonly #tokens: Record<'prompt' | 'cached' | 'completion', Counter<'model'>>;
  readonly #answers: Counter<'model' | 'finish'>;
  readonly #first: Histogram<'model'>;
  readonly #between: Histogram;

  constructor(hub: ModelHub, lifecycle: Lifecycle) {
    const registers = [this.#registry];
    const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
      new Counter({ name, help, labelNames, registers });
    const tokens = (kind: string, help: string) => counter(`kaiwen_${kind}_tokens_total`, help, ['model']);
    this.#requests = counter('kaiwen_requests_total', 'Requests that have ended', ['protocol', 'route', 'status']);
    this.#answers = counter('kaiwen_answers_total', 'Answers by how they ended', ['model', 'finish']);
    this.#tokens = {
      prompt: tokens('prompt', 'Tokens of prompts'),
      cached: tokens('cached', 'Tokens of prompts that were in the cache'),
      completion: tokens('completion', 'Tokens of answers'),
    };
    this.#seconds = new Histogram({
      name: 'kaiwen_request_seconds',
      help: 'From the request to the last byte of its response',
      labelNames: ['protocol', 'route'],
      buckets: SECONDS,
      registers,
    });
    this.#first = new Histogram({
      name: 'kaiwen_time_to_first_token_seconds',
      help: 'From the request to the first text of an answer',
      labelNames: ['model'],
      buckets: SECONDS,
      registers,
    });
    this.#between = new Histogram({
      name: 'kaiwen_time_between_tokens_seconds',
      help: 'Between the pieces of text of an answer',
      buckets: BETWEEN,
      registers,
    });
    this.#gauges(hub, lifecycle);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  requestEnded(record: RequestRecord): void {
    const { protocol, route, status, answers } = record;
    this.#requests.inc({ protocol, route, status });
    this.#seconds.observe({ protocol, route }, record.ms / 1000);
    if (answers.length === 0) return;
    const [{ model }] = answers;
    const { prompt, cached, completion } = tokensOf(record);
    this.#tokens.prompt.inc({ model }, prompt);
    this.#tokens.cached.inc({ model }, cached);
    this.#tokens.completion.inc({ model }, completion);
    for (const { firstAt, reason = 'cut' } of answers) {
      this.#answers.inc({ model, finish: reason });
      if (firstAt !== undefined) this.#first.observe({ model }, (firstAt - record.started) / 1000);
    }
  }

  piece(ms: number): void {
    this.#between.observe(ms / 1000);
  }

  /** What is read off when somebody asks. */
  #gauges(hub: ModelHub, lifecycle: Lifecycle): void {
    const registers = [this.#registry];
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    gauge('kaiwen_requests_running', 'Requests that run or wait', () => lifecycle.running);
    gauge('process_resident_memory_bytes', 'Memory of the process', () => process.memoryUsage.rss());
    gauge('process_heap_bytes', 'Memory of the heap of the serving thread', () => process.memoryUsage().heapUsed);
    gauge('process_cpu_seconds_total', 'Time on processors', () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    });
    gauge('process_start_time_seconds', 'When the process started', () => performance.timeOrigin / 1000);

    const byModel = (name: string, help: string, value: (served: ServedModel) => number | undefined) =>
      new Gauge({
        name,
        help,
        labelNames: ['model'],
        registers,
        collect() {
          this.reset();
          for (const served of basesOf(hub)) {
            const number = value(served);
            if (number !== undefined) this.set({ model: served.id }, number);
          }
        },
      });
    const status = ({ model }: ServedModel) => model?.engine.status();
    byModel('kaiwen_model_loaded', 'Whether the model is in memory', ({ loaded }) => Number(loaded));
    byModel('kaiwen_model_weight_bytes', 'Memory of the weights', ({ model }) => model?.info.weightBytes);
    byModel('kaiwen_model_cache_bytes', 'Memory of the cache', ({ model }) => model?.info.cacheBytes);
    byModel('kaiwen_engine_waiting', 'Requests without memory yet', (served) => status(served)?.waiting);
    byModel('kaiwen_engine_running', 'Requests being answered', (served) => status(served)?.running);
    for (const [name, [help, of]] of Object.entries(ENGINE_COUNTERS)) {
      new Counter({
        name,
        help,
        labelNames: ['model'],
        registers,
        collect() {
          this.reset();
          for (const served of basesOf(hub)) {
            const now = status(served);
            if (now) this.inc({ model: served.id }, of(now));
          }
        },
      });
    }
    new Gauge({
      name: 'kaiwen_cache_pages',
      help: "The cache's pages: all, in use, kept for later requests, on disk",
      labelNames: ['model', 'state'],
      registers,
      collect() {
        this.reset();
        for (const served of basesOf(hub)) {
          const { size: _, hits: __, ...states } = status(served)?.pages ?? { size: 0, hits: 0 };
          for (const [state, pages] of Object.entries(states)) this.set({ model: served.id, state }, pages);
        }
      },
    });
  }
}

/** Models without their adapters, which share engine and memory. */
function basesOf(hub: ModelHub): ServedModel[] {
  return hub.list().filter(({ parent }) => parent === undefined);
}
