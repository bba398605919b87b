/**
 * Runs generations together. A step decodes all that are past their prompt in one forward pass, which reads the
 * weights once; a prompt is computed in chunks between those steps, so nobody waits longer than one chunk. A row's
 * values do not depend on the other rows of its step: an answer is the same alone and in a crowd.
 */
import type { DoneEvent, TokenEvent } from './engine.js';
import type { Generation } from './generation.js';
import { MAX_STEP_ROWS, type Runner } from './runner.js';

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

  constructor(
    private readonly runner: Runner,
    private readonly vocabSize: number,
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
    const proposals = jobs.map(({ generation }) => generation.next(Math.floor(MAX_STEP_ROWS / jobs.length)));
    const parts = jobs.map(({ generation }, i) => ({ sequence: generation.sequence, tokens: proposals[i].tokens }));
    // Several share a step only past their prompts, where the logits of every row are wanted.
    const wanted = proposals.reduce((sum, { logits }) => sum + logits, 0);
    try {
      this.runner.forward(parts, (hidden) => {
        if (wanted === 0) return;
        const logits = this.runner.logits(hidden, hidden.rows - wanted, wanted);
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
