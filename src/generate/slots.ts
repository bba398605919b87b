/** Permits to open sequences of the cache, as many as it has: first come, first served. */

interface Waiting {
  count: number;
  grant: () => void;
}

export class Slots {
  private readonly waiting: Waiting[] = [];

  constructor(private free: number) {}

  /** Waits for `count` permits, which are given back together by disposing. Resolves to nothing if cancelled before. */
  lend(signal: AbortSignal, count = 1): Promise<Disposable | undefined> {
    return new Promise((resolve) => {
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        resolve(undefined);
        this.serve();
      };
      const entry: Waiting = {
        count,
        grant: () => {
          signal.removeEventListener('abort', leave);
          resolve({
            [Symbol.dispose]: () => {
              this.free += count;
              this.serve();
            },
          });
        },
      };
      this.waiting.push(entry);
      if (signal.aborted) return leave();
      signal.addEventListener('abort', leave);
      this.serve();
    });
  }

  private serve(): void {
    while (this.waiting.length > 0 && this.waiting[0].count <= this.free) {
      const { count, grant } = this.waiting.shift()!;
      this.free -= count;
      grant();
    }
  }
}
