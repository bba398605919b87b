/** Several async iterables as one, in the order in which their values come. */

/**
 * Each source is asked for its next value only once its last one has been taken. The first error ends all; leaving the
 * loop, or an error, tells every source to stop.
 */
export async function* merge<T>(sources: readonly AsyncIterable<T>[]): AsyncGenerator<T> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const arrived: { from: number; result?: IteratorResult<T>; error?: unknown }[] = [];
  let wake = (): void => {};
  const ask = (from: number): void => {
    const arrive = (entry: (typeof arrived)[number]): void => {
      arrived.push(entry);
      wake();
    };
    iterators[from].next().then(
      (result) => arrive({ from, result }),
      (error) => arrive({ from, error }),
    );
  };
  let open = iterators.length;
  try {
    for (let from = 0; from < iterators.length; from++) ask(from);
    while (open > 0) {
      if (arrived.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const { from, result, error } = arrived.shift()!;
      if (!result) throw error;
      if (result.done) {
        open--;
        continue;
      }
      yield result.value;
      ask(from);
    }
  } finally {
    // A source that waits for its next value hears of it through its signal; nobody waits for it here.
    for (const iterator of iterators) void iterator.return?.().catch(() => {});
  }
}
