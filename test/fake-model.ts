/**
 * A model whose logits a function gives, for tests of what stands between engine and kernels: sessions, scheduling,
 * speculation. Its runner checks what a real one relies on.
 */
import { Cache } from '../src/generate/cache.js';
import type { LoadedModel } from '../src/generate/loaded-model.js';
import { MAX_STEP_ROWS, type Part } from '../src/generate/runner.js';
import { fixed, plainFrequencies } from '../src/models/rope.js';

export interface FakeOptions {
  vocabSize: number;
  /** Logits [vocab] after these tokens. */
  logits: (history: readonly number[]) => ArrayLike<number>;
  context?: number;
  sequences?: number;
  /** Of the cache; default as many as all sequences fill. */
  pages?: number;
  /** Told of each step before it is computed. */
  onStep?: (rows: number) => void;
}

/** Tokens computed in one part of a step, and all before them. */
interface Computed {
  tokens: readonly number[];
  rows: number;
}

export function fakeModel({
  vocabSize,
  logits,
  context = 512,
  sequences = 1,
  pages,
  onStep,
}: FakeOptions): LoadedModel {
  const cache = new Cache('f32', { capacity: context, sequences, pages }, fixed(4, false, plainFrequencies(4, 10_000)));
  const runner = {
    forward<R>(parts: readonly Part[], use: (hidden: { rows: number; computed: Computed[] }) => R): R {
      const rows = parts.reduce((sum, { tokens }) => sum + tokens.length, 0);
      if (parts.length > 1 && rows > MAX_STEP_ROWS) throw new Error(`a step of ${rows} rows`);
      if (new Set(parts.map(({ sequence }) => sequence)).size < parts.length) throw new Error('a sequence comes twice');
      onStep?.(rows);
      const computed = parts.map(({ sequence, tokens }) => {
        sequence.advance(tokens);
        if (sequence.position > context) throw new Error('past the context');
        return { tokens: [...sequence.tokens], rows: tokens.length };
      });
      return use({ rows, computed });
    },
    logits(hidden: { computed: Computed[] }, from: number, rows: number): Float32Array {
      const histories = hidden.computed.flatMap(({ tokens, rows: own }) =>
        Array.from({ length: own }, (_, i) => tokens.slice(0, tokens.length - own + i + 1)),
      );
      const all = new Float32Array(rows * vocabSize);
      for (let row = 0; row < rows; row++) all.set(logits(histories[from + row]), row * vocabSize);
      return all;
    },
  };
  return {
    info: { context, sequences },
    definition: { vocabSize },
    cache,
    runner,
    chunk: 32,
  } as unknown as LoadedModel;
}
