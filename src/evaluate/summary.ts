/** Results of items as figures with intervals: by kind of task, and within it by domain and by language. */
import type { Kind } from './item.js';
import type { ItemResult } from './run.js';
import { type Interval, ratio, wilson } from './statistics.js';

export interface Share {
  items: number;
  correct: number;
  accuracy: number;
  /** 95 %, Wilson. */
  interval: Interval;
}

export interface Prediction {
  items: number;
  tokens: number;
  perplexity: number;
  /** 95 %, of the perplexity; absent with fewer than two windows. */
  interval?: Interval;
  /** Comparable between models with different vocabularies. */
  bitsPerByte: number;
}

export interface KindSummary {
  kind: Kind;
  total: Share | Prediction;
  domains: Record<string, Share | Prediction>;
  languages: Record<string, Share | Prediction>;
  /** For calls: the share that names the right functions. */
  names?: Share;
}

export function summarise(results: readonly ItemResult[]): KindSummary[] {
  const kinds = [...new Set(results.map(({ kind }) => kind))];
  return kinds.map((kind) => {
    const of = results.filter((result) => result.kind === kind);
    const figure: (results: readonly ItemResult[]) => Share | Prediction = isPrediction(kind) ? prediction : share;
    return {
      kind,
      total: figure(of),
      domains: groups(of, 'domain', figure),
      languages: groups(of, 'language', figure),
      ...(kind === 'calls' && { names: shareOf(of.map(({ names }) => names === true)) }),
    };
  });
}

/** Whether items of the kind are predicted, not answered. */
export function isPrediction(kind: Kind): boolean {
  return kind === 'text' || kind === 'conversation';
}

function groups<Figure>(
  results: readonly ItemResult[],
  field: 'domain' | 'language',
  figure: (results: readonly ItemResult[]) => Figure,
): Record<string, Figure> {
  const values = [...new Set(results.map((result) => result[field]))].filter((value) => value !== undefined).sort();
  return Object.fromEntries(
    values.map((value) => [value, figure(results.filter((result) => result[field] === value))]),
  );
}

const share = (results: readonly ItemResult[]): Share => shareOf(results.map(({ correct }) => correct === true));

function shareOf(hits: readonly boolean[]): Share {
  const correct = hits.filter(Boolean).length;
  const items = hits.length;
  return { items, correct, accuracy: items === 0 ? 0 : correct / items, interval: wilson(correct, items) };
}

function prediction(results: readonly ItemResult[]): Prediction {
  const pieces = results.flatMap((result) => result.pieces ?? []);
  const tokens = pieces.reduce((sum, piece) => sum + piece.tokens, 0);
  const nll = pieces.reduce((sum, piece) => sum + piece.nll, 0);
  const bytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
  const { value, interval } = ratio(
    pieces.map((piece) => piece.nll),
    pieces.map((piece) => piece.tokens),
  );
  return {
    items: results.length,
    tokens,
    perplexity: Math.exp(value),
    ...(interval && { interval: [Math.exp(interval[0]), Math.exp(interval[1])] }),
    bitsPerByte: nll / Math.LN2 / bytes,
  };
}
