/**
 * Texts that several things are said of at once: that they match these expressions and not those, and how long they
 * are. The expressions run side by side over one text; each set of places that they can be at is a rule.
 */
import { KaiwenError } from '../../../errors.js';
import { choice, type Ebnf, EMPTY, type Expression, repeat, sequence } from '../ebnf.js';
import { ANYTHING, type Range, type Regex } from '../regex.js';

export interface TextSet {
  matches: readonly Regex[];
  excludes: readonly Regex[];
  minLength: number;
  maxLength: number;
}

const PLACES = 40_000;
const STATES = 6000;

/** Places of an expression, numbered: where each may go on a character, and without one. */
class Places {
  readonly steps: { ranges: readonly Range[]; to: number }[][] = [];
  readonly free: number[][] = [];

  add(): number {
    if (this.steps.length >= PLACES) throw tooLarge();
    this.free.push([]);
    return this.steps.push([]) - 1;
  }

  /** Lays out an expression behind `from`; returns where it ends. */
  lay(regex: Regex, from: number): number {
    switch (regex.kind) {
      case 'class': {
        const to = this.add();
        this.steps[from].push({ ranges: regex.ranges, to });
        return to;
      }
      case 'sequence':
        return regex.parts.reduce((at, part) => this.lay(part, at), from);
      case 'choice': {
        const to = this.add();
        for (const option of regex.options) {
          const start = this.add();
          this.free[from].push(start);
          this.free[this.lay(option, start)].push(to);
        }
        return to;
      }
      case 'repeat': {
        let at = from;
        for (let i = 0; i < regex.min; i++) at = this.lay(regex.part, at);
        const to = this.add();
        if (regex.max === Infinity) {
          const loop = this.add();
          this.free[at].push(loop);
          this.free[this.lay(regex.part, loop)].push(loop);
          this.free[loop].push(to);
        } else {
          for (let i = regex.min; i < regex.max; i++) {
            this.free[at].push(to);
            at = this.lay(regex.part, at);
          }
          this.free[at].push(to);
        }
        return to;
      }
    }
  }

  /** All places that `places` lead to without a character. */
  closed(places: Iterable<number>): number[] {
    const found = new Set(places);
    for (const place of found) for (const to of this.free[place]) found.add(to);
    return [...found].sort((a, b) => a - b);
  }
}

interface State {
  places: number[];
  count: number;
  ends: boolean;
  next: Map<State, Range[]>;
  name?: string;
  alive: boolean;
}

/** The texts as they are written in a JSON string, without its quotes; nothing where there is no such text. */
export function textSetBody(set: TextSet, ebnf: Ebnf): Expression | undefined {
  const places = new Places();
  const all = set.matches.length === 0 ? [ANYTHING] : set.matches;
  const begins: number[] = [];
  const lay = (regex: Regex) => {
    const start = places.add();
    begins.push(start);
    return { end: places.lay(regex, start) };
  };
  const wanted = all.map(lay).map(({ end }) => end);
  const unwanted = set.excludes.map(lay).map(({ end }) => end);
  const { minLength, maxLength } = set;
  const counted = minLength > 0 || maxLength < Infinity;
  const most = maxLength === Infinity ? minLength : maxLength;

  const known = new Map<string, State>();
  const states: State[] = [];
  const stateOf = (at: Iterable<number>, count: number): State => {
    const closed = places.closed(at);
    const key = `${count}:${closed.join()}`;
    const found = known.get(key);
    if (found) return found;
    if (states.length >= STATES) throw tooLarge();
    const here = new Set(closed);
    const fits = count >= minLength || !counted;
    const ends = fits && wanted.every((end) => here.has(end)) && !unwanted.some((end) => here.has(end));
    const state: State = { places: closed, count, ends, next: new Map(), alive: ends };
    known.set(key, state);
    states.push(state);
    return state;
  };
  const start = stateOf(begins, 0);
  for (const state of states) {
    if (counted && maxLength < Infinity && state.count >= maxLength) continue;
    const count = counted ? Math.min(state.count + 1, most) : 0;
    for (const [range, targets] of cuts(state.places.flatMap((place) => places.steps[place]))) {
      const next = stateOf(targets, count);
      const ranges = state.next.get(next);
      if (ranges) ranges.push(range);
      else state.next.set(next, [range]);
    }
  }
  prune(states);
  if (!start.alive) return undefined;
  const alive = states.filter((state) => state.alive);
  for (const state of alive) state.name = ebnf.name();
  for (const state of alive) ebnf.define(state.name!, stateBody(state, ebnf));
  return start.name!;
}

function stateBody(state: State, ebnf: Ebnf): Expression {
  const options: Expression[] = state.ends ? [EMPTY] : [];
  let loop: Expression = EMPTY;
  for (const [next, ranges] of state.next) {
    if (!next.alive) continue;
    if (next === state) loop = repeat(ebnf.characters(ranges, 'json'), 0, Infinity);
    else options.push(sequence(ebnf.characters(ranges, 'json'), next.name!));
  }
  return sequence(loop, choice(options));
}

/** Marks the states from which an end can be reached. */
function prune(states: readonly State[]): void {
  const before = new Map<State, State[]>();
  for (const state of states) {
    for (const next of state.next.keys()) {
      const list = before.get(next);
      if (list) list.push(state);
      else before.set(next, [state]);
    }
  }
  const alive = states.filter((state) => state.alive);
  for (const state of alive) {
    for (const previous of before.get(state) ?? []) {
      if (previous.alive) continue;
      previous.alive = true;
      alive.push(previous);
    }
  }
}

/** Ranges of characters that lead to the same places. */
function* cuts(steps: readonly { ranges: readonly Range[]; to: number }[]): Generator<[Range, number[]]> {
  const edges = new Map<number, { opens: number[]; closes: number[] }>();
  const edge = (at: number) => {
    const found = edges.get(at) ?? { opens: [], closes: [] };
    edges.set(at, found);
    return found;
  };
  for (const { ranges, to } of steps) {
    for (const [low, high] of ranges) {
      edge(low).opens.push(to);
      edge(high + 1).closes.push(to);
    }
  }
  const open = new Map<number, number>();
  const sorted = [...edges.keys()].sort((a, b) => a - b);
  for (let i = 0; i < sorted.length; i++) {
    const { opens, closes } = edges.get(sorted[i])!;
    for (const to of opens) open.set(to, (open.get(to) ?? 0) + 1);
    for (const to of closes) {
      const left = open.get(to)! - 1;
      if (left === 0) open.delete(to);
      else open.set(to, left);
    }
    if (open.size > 0) yield [[sorted[i], sorted[i + 1] - 1], [...open.keys()]];
  }
}

/** The expression for one text. */
export function exactly(text: string): Regex {
  const parts = Array.from(text, (char): Regex => {
    const code = char.codePointAt(0)!;
    return { kind: 'class', ranges: [[code, code]] };
  });
  return { kind: 'sequence', parts };
}

function tooLarge(): KaiwenError {
  return new KaiwenError('unsupported', 'What a text must and must not match together is too complex.', {
    remedy: 'Use fewer or simpler patterns, or smaller lengths.',
  });
}
