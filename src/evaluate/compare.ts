/** Two models on the same items: what the second gained and lost, and whether that could be chance. */
import type { Kind } from './item.js';
import type { ItemResult } from './run.js';
import { type Interval, paired, ratio } from './statistics.js';
import { isPrediction } from './summary.js';

export interface Difference {
  items: number;
  /** Items that only the second model has right, and only the first. */
  gained: number;
  lost: number;
  /** Accuracy of the second minus that of the first, with its 95 % interval (Bonett and Price). */
  difference: number;
  interval: Interval;
  /** McNemar's exact test. */
  p: number;
}

export interface PredictionDifference {
  items: number;
  /** Bits a byte of the second minus those of the first: below 0, the second predicts better. */
  difference: number;
  /** 95 %; absent with fewer than two windows or texts. */
  interval?: Interval;
}

export interface Comparison {
  kind: Kind;
  total: Difference | PredictionDifference;
  domains: Record<string, Difference | PredictionDifference>;
}

type Pair = readonly [first: ItemResult, second: ItemResult];

/** Items that both have, by id. */
export function compare(first: readonly ItemResult[], second: readonly ItemResult[]): Comparison[] {
  const others = new Map(second.map((result) => [`${result.kind} ${result.id}`, result]));
  const pairs = first.flatMap((result): Pair[] => {
    const other = others.get(`${result.kind} ${result.id}`);
    return other ? [[result, other]] : [];
  });
  return [...new Set(pairs.map(([{ kind }]) => kind))].map((kind) => {
    const of = pairs.filter(([result]) => result.kind === kind);
    const figure = isPrediction(kind) ? predictions : answers;
    const domains = [...new Set(of.map(([{ domain }]) => domain))].filter((domain) => domain !== undefined).sort();
    const inDomain = (domain: string) => figure(of.filter(([result]) => result.domain === domain));
    return { kind, total: figure(of), domains: Object.fromEntries(domains.map((name) => [name, inDomain(name)])) };
  });
}

function answers(pairs: readonly Pair[]): Difference {
  const gained = pairs.filter(([a, b]) => !a.correct && b.correct).length;
  const lost = pairs.filter(([a, b]) => a.correct && !b.correct).length;
  return { items: pairs.length, gained, lost, ...paired(gained, lost, pairs.length) };
}

function predictions(pairs: readonly Pair[]): PredictionDifference {
  const units = pairs.flatMap(([a, b]) => {
    const [ofA, ofB] = [a.pieces ?? [], b.pieces ?? []];
    // Windows are the same only where the vocabularies are.
    const aligned = ofA.length === ofB.length && ofA.every(({ bytes }, i) => bytes === ofB[i]!.bytes);
    return aligned ? ofA.map((piece, i) => [[piece], [ofB[i]!]]) : [[ofA, ofB]];
  });
  const sum = (pieces: readonly { nll: number; bytes: number }[], of: 'nll' | 'bytes') =>
    pieces.reduce((total, piece) => total + piece[of], 0);
  const bytes = units.map(([a]) => sum(a!, 'bytes'));
  const perByte = units.map(([a, b], i) => {
    const bits = (pieces: typeof a) => sum(pieces!, 'nll') / Math.LN2 / sum(pieces!, 'bytes');
    return (bits(b) - bits(a)) * bytes[i]!;
  });
  const { value, interval } = ratio(perByte, bytes);
  return { items: pairs.length, difference: value, ...(interval && { interval }) };
}
