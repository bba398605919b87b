/**
 * Computes work together. A step decodes for all answers that are past their prompt (as many as a step has rows, in
 * turn) in one forward pass, which reads the weights once; between those steps prompts are read, one chunk at a time, so
 * that an answer's next token waits for no more than one chunk. Groups take turns, in reading as in decoding.
 *
 * A row's values do not depend on the other rows of its step: an answer is the same alone and in a crowd, with drafts or
 * without, and also if it had to give its memory back in between. How far to draft is decided here, where the rows of all
 * are known.
 *
 * Memory is promised to nobody: work begins when what it must read has room, and an answer that grows where there is none
 * left takes it from the youngest of the group that has most. Whoever lost it waits until somebody has finished.
 */
import { KaiwenError } from '../errors.js';
import type { Cache } from './cache.js';
import { Generation } from './generation.js';
import { MAX_STEP_ROWS, type Runner } from './runner.js';
import { LEAST_CHUNK } from './sequence.js';
import { draftLengths, longestDrafts, StepCosts } from './speculation.js';
import { newStatus } from './status.js';
import { nextInTurn, Turns } from './turns.js';
import type { Events, Work } from './work.js';

/** How long a chunk may keep decoding answers waiting, where its size can be chosen. */
const LONGEST_CHUNK_MS = 400;
/** Chunks are cut to whole tiles, and rows of fewer could be computed in another way. */
const CHUNK_UNIT = LEAST_CHUNK;

interface Job {
  readonly work: Work;
  readonly group: string;
  readonly signal: AbortSignal;
  readonly emit: (event: Events[number]) => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** When it was last decoded for, counted in such turns of all. */
  last: number;
}

type Decoding = Job & { readonly work: Generation };

export interface SchedulerHooks {
  /** After each step, and when nothing is left to do: what has been emitted may be sent. */
  afterStep?: (idle: boolean) => void;
  /** A step has failed: the memory that everybody shares is in doubt, nothing more can be computed. */
  broken?: (error: unknown) => void;
}

/** Lets messages in, and other tasks compute a step. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class Scheduler {
  /** In the order they came. */
  private jobs: Job[] = [];
  private readonly turns = new Turns();
  private readonly costs = new StepCosts();
  private readonly counts = newStatus();
  /** Steps that decoding answers are owed before the next chunk is read. */
  private owed = 0;
  /** Nothing can begin until somebody has finished. */
  private full = false;
  private failure?: KaiwenError;
  private isWorking = false;
  private served = 0;
  private exclusive: (() => Promise<void>)[] = [];
  /** Of a token in a chunk, measured. */
  private readMs = 0;

  constructor(
    private readonly cache: Cache,
    private readonly runner: Runner,
    private readonly vocabSize: number,
    private readonly chunk: number,
    /** Draft whatever can be drafted, even where it does not pay. */
    private readonly alwaysDraft = false,
    private readonly hooks: SchedulerHooks = {},
  ) {}

  get status() {
    const { counts, cache, jobs } = this;
    const running = jobs.filter(({ work }) => work.isOpen).length;
    return { ...counts, running, waiting: jobs.length - running, pages: { ...cache.pages } };
  }

  /** Computes `work` to its end, or until `signal` says so; resolves after its last event. */
  run(work: Work, signal: AbortSignal, emit: (event: Events[number]) => void = () => {}): Promise<void> {
    if (this.failure) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.jobs.push({ work, group: work.group, signal, emit, resolve, reject, last: 0 });
      void this.start();
    });
  }

  /** Runs `action` while nothing else is computed: it waits for what is under way, and everything later for it. */
  alone<R>(action: () => Promise<R>): Promise<R> {
    if (this.failure) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.exclusive.push(() => action().then(resolve, reject));
      void this.start();
    });
  }

  private async start(): Promise<void> {
    if (this.isWorking) return;
    this.isWorking = true;
    while (this.jobs.length > 0 || this.exclusive.length > 0) {
      await turn();
      // Whoever has left need not wait for the next step to hear it.
      if (this.endStopped()) this.hooks.afterStep?.(false);
      if (this.exclusive.length > 0 && !this.jobs.some(({ work }) => work.isOpen)) await this.exclusive.shift()!();
      else this.stepOnce();
      this.hooks.afterStep?.(false);
    }
    this.isWorking = false;
    this.hooks.afterStep?.(true);
  }

  /** Whether there were any. */
  private endStopped(): boolean {
    const now = performance.now();
    const before = this.jobs.length;
    for (const job of [...this.jobs]) {
      const { work, signal } = job;
      if (signal.aborted) this.take(job, () => work.stop('aborted'), true);
      else if (now >= work.deadline) this.take(job, () => work.stop('timeout'), true);
    }
    return this.jobs.length < before;
  }

  /** Reads a chunk, or decodes: after a chunk everybody who decodes gets a step before the next one is read. */
  private stepOnce(): void {
    const decoding = this.jobs.filter(isDecoding);
    const reading = this.owed > 0 && decoding.length > 0 ? undefined : this.nextToRead();
    if (reading) {
      this.owed = Math.ceil(decoding.length / MAX_STEP_ROWS);
      this.read(reading, decoding.length > 0 ? this.shortChunk() : this.chunk);
    } else if (decoding.length > 0) {
      this.owed--;
      // Opening may have cost somebody the memory.
      this.decode(nextInTurn(decoding.filter(isDecoding), MAX_STEP_ROWS));
    }
  }

  /** The job whose tokens are read next: of the group whose turn it is, the first that has been begun or can be. */
  private nextToRead(): Job | undefined {
    const firsts = new Map<string, Job>();
    for (const job of this.jobs) {
      const { work, group } = job;
      if (work.isOpen ? !work.isReading : this.exclusive.length > 0) continue;
      const first = firsts.get(group);
      if (!first || (work.isOpen && !first.work.isOpen)) firsts.set(group, job);
    }
    for (const group of this.turns.order(firsts.keys())) {
      const job = firsts.get(group)!;
      if (!job.work.isOpen && !this.begin(job)) continue;
      this.turns.took(group);
      if (job.work.isReading) return job;
    }
    return undefined;
  }

  /** Finds memory for a job. A group that has less than its share gets it from the one that has most. */
  private begin(job: Job): boolean {
    for (;;) {
      const shares = this.shares();
      if ((!this.full || shares.size === 0) && this.open(job)) return true;
      if (!this.jobs.includes(job)) return false;
      this.full = true;
      if (shares.size === 0) {
        this.fail(job, tooLarge(job.work.tokens.length));
        return false;
      }
      const victim = this.victim(shares);
      if (shares.get(victim.group)! <= (shares.get(job.group) ?? 0) + 1) return false;
      this.preempt(victim);
      this.full = false;
    }
  }

  private open(job: Job): boolean {
    const { work } = job;
    const isFirst = !work.wasOpen;
    try {
      if (!work.open(this.cache)) return false;
    } catch (error) {
      this.fail(job, error);
      return false;
    }
    if (isFirst) {
      this.counts.promptTokens += work.tokens.length;
      this.counts.cachedTokens += work.sequence.position;
    }
    return true;
  }

  /** How many of each group are open. */
  private shares(): Map<string, number> {
    const shares = new Map<string, number>();
    for (const { group, work } of this.jobs) if (work.isOpen) shares.set(group, (shares.get(group) ?? 0) + 1);
    return shares;
  }

  /** The youngest job of a group that has most. */
  private victim(shares: ReadonlyMap<string, number>): Job {
    const most = Math.max(...shares.values());
    return this.jobs.findLast(({ group, work }) => work.isOpen && shares.get(group) === most)!;
  }

  private preempt({ work }: Job): void {
    work.close();
    this.counts.preemptions++;
  }

  /** Room for a decoding job's next token, if need be that of others. False: it had to give up its own. */
  private hasRoom(job: Job): boolean {
    while (job.work.isOpen && !job.work.sequence.reserve(1)) {
      const shares = this.shares();
      if (shares.size === 1 && shares.get(job.group) === 1) {
        this.fail(job, tooLarge(job.work.sequence.position + 1));
        return false;
      }
      this.preempt(this.victim(shares));
      this.full = true;
    }
    return job.work.isOpen;
  }

  /** Tokens that are read in a time that decoding answers can wait. */
  private shortChunk(): number {
    const { chunk, readMs } = this;
    if (readMs === 0) return chunk;
    const units = Math.floor(LONGEST_CHUNK_MS / readMs / CHUNK_UNIT);
    return Math.min(chunk, CHUNK_UNIT * Math.max(1, units));
  }

  private read(job: Job, size: number): void {
    const { work } = job;
    const tokens = work.chunk(size);
    const started = performance.now();
    const computed = this.compute([{ sequence: work.sequence, tokens }], (hidden) => {
      this.take(job, () => work.read(hidden, this.runner));
    });
    if (!computed) return;
    const ms = performance.now() - started;
    this.counts.chunks++;
    this.counts.chunkMs += ms;
    // A neighbour on the core, or what is only done once, must not make chunks small for long.
    const each = ms / tokens.length;
    if (tokens.length >= CHUNK_UNIT)
      this.readMs += (each < this.readMs || this.readMs === 0 ? 0.5 : 0.1) * (each - this.readMs);
  }

  private decode(chosen: readonly Decoding[]): void {
    // Whoever gives way is no longer open, wherever it stands.
    const jobs = chosen.filter((job) => this.hasRoom(job)).filter(isDecoding);
    if (jobs.length === 0) return;
    const prospects = jobs.map(({ work }) => work.prospects());
    const lengths = this.alwaysDraft ? longestDrafts(prospects) : draftLengths(prospects, this.costs);
    const parts = jobs.map(({ work }, i) => {
      const { sequence } = work;
      return { sequence, tokens: work.next(sequence.reserve(1 + lengths[i]) ? lengths[i] : 0) };
    });
    const rows = parts.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const started = performance.now();
    this.compute(parts, (hidden) => {
      const { vocabSize, counts } = this;
      const logits = this.runner.logits(hidden, 0, rows);
      const ms = performance.now() - started;
      this.costs.learn(rows, ms);
      counts.steps++;
      counts.rows += rows;
      counts.stepMs += ms;
      let row = 0;
      jobs.forEach((job, i) => {
        const from = row;
        row += parts[i].tokens.length;
        job.last = ++this.served;
        this.take(job, () => job.work.accept(logits.subarray(from * vocabSize, row * vocabSize)));
      });
    });
  }

  /** A forward pass. False: it failed, and with it everything. */
  private compute(...step: Parameters<Runner['forward']>): boolean {
    try {
      this.runner.forward(...step);
      return true;
    } catch (cause) {
      this.failure = new KaiwenError('engine_failed', 'The engine failed.', { cause, remedy: 'Ask again.' });
      for (const { reject } of this.jobs) reject(this.failure);
      this.jobs = [];
      this.exclusive = [];
      this.hooks.broken?.(cause);
      return false;
    }
  }

  /** Emits what `action` returns; the job ends with its last event, with an error of its own, or because it must. */
  private take(job: Job, action: () => Events, isLast = false): void {
    try {
      const events = action();
      for (const event of events) {
        if (event.type === 'token') this.counts.completionTokens++;
        job.emit(event);
      }
      if (!isLast && !job.work.isDone) return;
      this.end(job);
      job.resolve();
    } catch (error) {
      this.fail(job, error);
    }
  }

  private fail(job: Job, error: unknown): void {
    this.end(job);
    job.reject(error);
  }

  private end(job: Job): void {
    this.jobs = this.jobs.filter((other) => other !== job);
    if (job.work.isOpen) this.full = false;
    job.work.close();
  }
}

function isDecoding(job: Job): job is Decoding {
  return job.work instanceof Generation && job.work.isOpen && !job.work.isReading;
}

function tooLarge(tokens: number): KaiwenError {
  return new KaiwenError('out_of_memory', `There is no room for ${tokens} tokens.`, {
    remedy: 'Give the engine more memory for its cache, or ask for less.',
  });
}
