/**
 * Lends the cache's sequences to tasks, first come, first served. A prompt gets the sequence that knows most of it, so
 * that conversations which take turns keep their cache; a new one gets what was not used for longest.
 */
import type { Rope } from '../models/rope.js';
import type { HeldAdapter } from './held-adapter.js';
import type { Sequence } from './sequence.js';

export interface Lease extends Disposable {
  readonly sequences: readonly Sequence[];
}

interface Waiting {
  count: number;
  prompt: readonly number[];
  adapter?: HeldAdapter;
  grant: (lease: Lease) => void;
}

export class Slots {
  /** The longest unused first. */
  private readonly free: Sequence[];
  private readonly waiting: Waiting[] = [];

  constructor(
    sequences: readonly Sequence[],
    private readonly rope: Rope,
  ) {
    this.free = [...sequences];
  }

  /**
   * Waits for `count` sequences, the first of them chosen for `prompt` as `adapter` computes it. Resolves to nothing if
   * cancelled before.
   */
  lend(prompt: readonly number[], signal: AbortSignal, count = 1, adapter?: HeldAdapter): Promise<Lease | undefined> {
    return new Promise((resolve) => {
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        resolve(undefined);
        this.serve();
      };
      const entry: Waiting = {
        count,
        prompt,
        adapter,
        grant: (lease) => {
          signal.removeEventListener('abort', leave);
          resolve(lease);
        },
      };
      this.waiting.push(entry);
      if (signal.aborted) return leave();
      signal.addEventListener('abort', leave);
      this.serve();
    });
  }

  private serve(): void {
    while (this.waiting.length > 0 && this.waiting[0].count <= this.free.length) {
      const { count, prompt, adapter, grant } = this.waiting.shift()!;
      const sequences = [this.take(prompt, adapter), ...this.free.splice(0, count - 1)];
      grant({
        sequences,
        [Symbol.dispose]: () => {
          this.free.push(...sequences);
          this.serve();
        },
      });
    }
  }

  /** The free sequence that knows most of `prompt`, unless most of what it holds would be lost. */
  private take(prompt: readonly number[], adapter?: HeldAdapter): Sequence {
    let best = 0;
    let most = 0;
    this.free.forEach((sequence, i) => {
      const common = sequence.common(prompt, this.rope, adapter);
      if (common > most && 2 * common >= sequence.position) {
        best = i;
        most = common;
      }
    });
    return this.free.splice(best, 1)[0];
  }
}
