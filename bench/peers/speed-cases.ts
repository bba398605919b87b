/** What is timed of a model, in groups that share one loading. */
import type { Sizes } from './contender.js';
import type { Peer } from './peer.js';

export interface SpeedCase {
  name: string;
  /** Tokens computed in the time that `run` returns. */
  tokens: number;
  /** Tokens of context that each sequence needs. */
  context: number;
  run(peer: Peer): Promise<number>;
  /**
   * Bytes of weights and cache that one step reads, and the tokens of a step, where memory is the limit: then the share
   * of the machine's bandwidth is reported too.
   */
  step?: { tokens: number; bytes(sizes: Sizes, cachePerToken: number): number };
}

export interface Group {
  /** Sequences that the engines are loaded for. */
  sequences: number;
  cases: SpeedCase[];
}

export function prefill(tokens: number): SpeedCase {
  return { name: `prefill ${tokens}`, tokens, context: tokens, run: (peer) => peer.prefill(tokens) };
}

export function decode(context: number, tokens: number): SpeedCase {
  return {
    ...{ name: `decode, context ${context}`, tokens, context: context + tokens },
    run: (peer) => peer.decode(context, tokens),
    step: {
      tokens: 1,
      bytes: ({ perToken }, cachePerToken) => perToken + cachePerToken * (context + tokens / 2),
    },
  };
}

/** Sequences decoded together, from a context of 64: tokens of all of them. */
export function together(sequences: number, tokens: number): SpeedCase {
  const context = 64;
  return {
    ...{ name: `decode, ${sequences} at once`, tokens: sequences * tokens, context: context + tokens },
    run: (peer) => peer.decode(context, tokens, sequences),
    step: {
      tokens: sequences,
      bytes: ({ perToken }, cachePerToken) => perToken + sequences * cachePerToken * (context + tokens / 2),
    },
  };
}

export const LOADING = { load: 'load', memory: 'resident memory', cold: 'cold start to first token' } as const;

/** All cases; without `quick` ones, what takes long or tells little more. */
export function listGroups(type: string, quick: boolean): Group[] {
  if (!quick) {
    return [
      {
        sequences: 1,
        // From the longest context on, so that the shorter ones are there already.
        cases: [...[64, 512, 2048].map(prefill), decode(4096, 32), decode(512, 64), decode(64, 64)],
      },
      { sequences: 8, cases: [1, 4, 8].map((sequences) => together(sequences, 32)) },
    ];
  }
  if (type === 'q4_k_m') return [{ sequences: 1, cases: [decode(64, 32)] }];
  const alone = [prefill(512), decode(64, 32), ...(type === 'q8_0' ? [decode(4096, 16)] : [])];
  return [
    { sequences: 1, cases: alone },
    { sequences: 8, cases: [together(8, 16)] },
  ];
}
