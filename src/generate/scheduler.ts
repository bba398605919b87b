/**
 * Runs generations together. A step decodes all that are past their prompt in one forward pass, which reads the
 * weights once; a prompt is computed in chunks between those steps, so nobody waits longer than one chunk. A row's
 * values do not depend on the other rows of its step: an answer is the same alone and in a crowd, and with drafts or
 * without. How far to draft is decided here, where the rows of all are known.
 */
import type { DoneEvent, TokenEvent } from './engine.js';
import type { Generation } from './generation.js';
import type { Runner } from './runner.js';
import { draftLengths, longestDrafts, StepCosts } from './speculation.js';

interface Job {
  generation: Generation;
  signal: AbortSignal;
  emit: (event: TokenEvent | DoneEvent) => void;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** Lets messages in, and other tasks compute a step. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class Scheduler {
  /** In the order they came. */
  private jobs: Job[] = [];
  private filledLast = false;
  private readonly costs = new StepCosts();

  constructor(
    private readonly runner: Runner,
    private readonly vocabSize: number,
    /** Draft whatever can be drafted, even where it does not pay. */
    private readonly alwaysDraft = false,
  ) {}

  /** Computes a generation to its end, or until `signal` says so; resolves after the done event. */
  run(generation: Generation, signal: AbortSignal, emit: (event: TokenEvent | DoneEvent) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.jobs.push({ generation, signal, emit, resolve, reject });
      if (this.jobs.length === 1) void this.work();
    });
  }

  private async work(): Promise<void> {
    while (this.jobs.length > 0) {
      await turn();
      for (const job of this.jobs.filter(({ signal }) => signal.aborted)) {
        job.emit(job.generation.done('aborted'));
        this.end(job);
        job.resolve();
      }
      const jobs = this.choose();
      if (jobs.length > 0) this.step(jobs);
    }
  }

  /** Everybody past the prompt, or the first who is not; in turn where there are both. */
  private choose(): Job[] {
    const filling = this.jobs.find(({ generation }) => generation.inPrompt);
    const decoding = this.jobs.filter(({ generation }) => !generation.inPrompt);
    this.filledLast = filling !== undefined && (decoding.length === 0 || !this.filledLast);
    return this.filledLast ? [filling!] : decoding;
  }

  private step(jobs: readonly Job[]): void {
    const { vocabSize } = this;
    const prospects = jobs.map(({ generation }) => generation.prospects());
    const lengths = this.alwaysDraft ? longestDrafts(prospects) : draftLengths(prospects, this.costs);
    const proposals = jobs.map(({ generation }, i) => generation.next(lengths[i]));
    const parts = jobs.map(({ generation }, i) => ({ sequence: generation.sequence, tokens: proposals[i].tokens }));
    // Several share a step only past their prompts, where the logits of every row are wanted.
    const wanted = proposals.reduce((sum, { logits }) => sum + logits, 0);
    const started = performance.now();
    try {
      this.runner.forward(parts, (hidden) => {
        if (wanted === 0) return;
        const logits = this.runner.logits(hidden, hidden.rows - wanted, wanted);
        if (wanted === hidden.rows) this.costs.learn(wanted, performance.now() - started);
        let row = 0;
        jobs.forEach((job, i) => {
          const from = row;
          row += proposals[i].logits;
          this.take(job, logits.subarray(from * vocabSize, row * vocabSize));
        });
      });
    } catch (error) {
      for (const job of jobs) {
        this.end(job);
        job.reject(error);
      }
    }
  }

  private take(job: Job, logits: Float32Array): void {
    try {
      for (const event of job.generation.accept(logits)) {
        job.emit(event);
        if (event.type !== 'done') continue;
        this.end(job);
        job.resolve();
      }
    } catch (error) {
      this.end(job);
      job.reject(error);
    }
  }

  private end(job: Job): void {
    this.jobs = this.jobs.filter((other) => other !== job);
  }
}
