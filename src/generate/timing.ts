/** Times prefill and decoding of given tokens, for `kaiwen bench`: nothing is drawn, and nobody else may compute. */
import { KaiwenError } from '../errors.js';
import type { LoadedModel } from './loaded-model.js';
import type { Task } from './messages.js';
import { MAX_STEP_ROWS, type Part } from './runner.js';
import { turn } from './scheduler.js';
import type { Sequence } from './sequence.js';

/** Milliseconds of each run, as Engine.bench says. Throws KaiwenError 'aborted' within a step of `signal` saying so. */
export async function timeSteps(
  model: LoadedModel,
  { prompt, decode, repeat, sequences, reuse }: Extract<Task, { kind: 'bench' }>,
  signal: AbortSignal,
): Promise<{ prefillMs: number[]; decodeMs: number[] }> {
  const { runner, definition, cache, info, chunk } = model;
  if (prompt + decode > info.context || prompt < 1 || decode < 0) {
    throw new KaiwenError(
      'context_overflow',
      `${prompt} + ${decode} tokens do not fit the context of ${info.context}.`,
      {
        remedy: 'Give a larger --context or a smaller --prompt.',
      },
    );
  }
  if (sequences < 1 || sequences > info.sequences) {
    throw new KaiwenError('usage', `${sequences} sequences do not fit an engine of ${info.sequences}.`, {
      remedy: 'Load the model with more sequences.',
    });
  }
  const step = async (parts: readonly Part[], logits: boolean) => {
    await turn();
    if (signal.aborted) throw new KaiwenError('aborted', 'Cancelled.');
    if (!parts.every(({ sequence, tokens }) => sequence.reserve(tokens.length)))
      throw new KaiwenError('out_of_memory', `There is no room for ${sequences} times ${prompt + decode} tokens.`);
    runner.forward(parts, (hidden) => {
      // Decoding wants the logits of every row, a prompt those of its last.
      const rows = parts[0].tokens.length > 1 ? 1 : hidden.rows;
      if (logits) runner.logits(hidden, hidden.rows - rows, rows);
    });
  };
  const tokens = Array.from({ length: prompt }, (_, i) => (i * 7919 + 13) % definition.vocabSize);
  const prefillMs: number[] = [];
  const decodeMs: number[] = [];
  for (let run = 0; run < repeat; run++) {
    const parallel: Sequence[] = [];
    try {
      let start = performance.now();
      for (let i = 0; i < sequences; i++) {
        const sequence = cache.open(tokens, undefined, reuse ? prompt - 1 : 0)!;
        parallel.push(sequence);
        while (sequence.position < prompt) {
          const end = sequence.stepEnd(chunk);
          await step([{ sequence, tokens: tokens.slice(sequence.position, end) }], end === prompt);
        }
      }
      prefillMs.push(performance.now() - start);
      start = performance.now();
      for (let i = 0; i < decode; i++) {
        for (let from = 0; from < sequences; from += MAX_STEP_ROWS) {
          const some = parallel.slice(from, from + MAX_STEP_ROWS);
          await step(
            some.map((sequence) => ({ sequence, tokens: [tokens[i % prompt]] })),
            true,
          );
        }
      }
      decodeMs.push(performance.now() - start);
    } finally {
      for (const sequence of parallel) sequence[Symbol.dispose]();
    }
  }
  return { prefillMs, decodeMs };
}
