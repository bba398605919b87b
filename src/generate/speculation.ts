/**
 * Speculation without a draft model: what prompt lookup proposes is computed together with the last token, in one
 * step, and kept as far as the sampler draws the same tokens (Leviathan et al., arXiv:2211.17192, where the draft's
 * distribution is a point). The sampler draws each token from the same logits, in the same order and with the same
 * random numbers as without a draft, so the answer is the same token for token.
 *
 * A draft is worth computing if it brings more tokens than it takes time. Both are measured as the engine runs:
 * how often proposals have been right (known for every token, drafted or not) and how long steps of so many rows take.
 */
import type { SpeculationStats } from './engine.js';
import { Lookup, MAX_MATCH } from './lookup.js';
import { MAX_RUN_ROWS } from './runner.js';

/** What a step must gain before it is worth the trouble. */
const LEAST_GAIN = 1.05;
/** A token that comes true more seldom is not worth a thought. */
const LEAST_CHANCE = 0.05;

export const NO_SPECULATION: SpeculationStats = { steps: 0, drafted: 0, accepted: 0 };

/** How often a proposal is right, by the length of its match, before anything has shown it. */
const FIRST_CHANCES = [
  { from: 2, chance: 0.2 },
  { from: 3, chance: 0.35 },
  { from: 4, chance: 0.5 },
  { from: 8, chance: 0.75 },
  { from: MAX_MATCH, chance: 0.9 },
];
/** Weight of the newest observation: about the last ten of an answer count, and the last fifty of all answers. */
const CHANCE_WEIGHT = 0.1;
const HABIT_WEIGHT = 0.02;

/** How often proposals have been right in an engine's answers, for each class of match: where a new answer begins. */
export type Habits = number[];

export function newHabits(): Habits {
  return FIRST_CHANCES.map(({ chance }) => chance);
}

/** One answer's proposals, and how far they can be trusted. */
export class Drafter {
  private readonly lookup: Lookup;
  private readonly chances: number[];

  /** `habits` learn from this answer too. */
  constructor(
    prompt: Iterable<number>,
    private readonly habits = newHabits(),
  ) {
    this.chances = [...habits];
    this.lookup = new Lookup(prompt);
  }

  /** Takes the answer's next token. */
  push(id: number): void {
    const { lookup, chances, habits } = this;
    if (lookup.next !== undefined) {
      const c = classOf(lookup.matched);
      const right = Number(lookup.next === id);
      chances[c] += CHANCE_WEIGHT * (right - chances[c]);
      habits[c] += HABIT_WEIGHT * (right - habits[c]);
    }
    lookup.push(id);
  }

  /** For a draft of each length from 1 to `limit`: how likely it is that its last token comes to be drawn. */
  prospects(limit: number): number[] {
    const prospects: number[] = [];
    const { matched } = this.lookup;
    if (matched === 0) return prospects;
    let chance = 1;
    for (let i = 0; i < limit; i++) {
      chance *= this.chances[classOf(matched + i)];
      prospects.push(chance);
    }
    return prospects;
  }

  draft(length: number): number[] {
    return this.lookup.draft(length);
  }
}

function classOf(matched: number): number {
  let c = FIRST_CHANCES.length - 1;
  while (c > 0 && matched < FIRST_CHANCES[c].from) c--;
  return c;
}

/**
 * How long to draft for each of a step's sequences, given their prospects: the rows that are left go to the likeliest
 * tokens, and of all numbers of rows the one with the most tokens a millisecond is taken.
 */
export function draftLengths(prospects: readonly (readonly number[])[], costs: StepCosts): number[] {
  const lengths = prospects.map(() => 0);
  // So many answers fill the processor without drafts.
  if (prospects.length >= MAX_RUN_ROWS) return lengths;
  let tokens = prospects.length;
  let best = (LEAST_GAIN * tokens) / costs.of(tokens);
  let chosen = [...lengths];
  const most = costs.reach(tokens);
  for (let rows = tokens + 1; rows <= most; rows++) {
    let next = -1;
    let chance = LEAST_CHANCE;
    for (let i = 0; i < prospects.length; i++) {
      const prospect = prospects[i][lengths[i]] ?? 0;
      if (prospect > chance) [next, chance] = [i, prospect];
    }
    if (next < 0) break;
    lengths[next]++;
    tokens += chance;
    const gain = tokens / costs.of(rows);
    if (gain > best) [best, chosen] = [gain, [...lengths]];
  }
  return chosen;
}

/** The same where it need not pay: every sequence gets an equal share of the rows. */
export function longestDrafts(prospects: readonly (readonly number[])[]): number[] {
  const share = Math.max(0, Math.floor(MAX_RUN_ROWS / prospects.length) - 1);
  return prospects.map(({ length }) => Math.min(length, share));
}

/** Before it is measured: a row more is thought to cost a quarter of the first. */
const FIRST_SLOPE = 0.25;
/** Weight of a newer time that is less, and of one that is more: what a neighbour on the core adds must not count. */
const LESS_WEIGHT = 0.3;
const MORE_WEIGHT = 0.05;
/** Steps after which a time measured once is tried again; twice as long with each further time, up to a limit. */
const FIRST_AGE = 32;
const GREATEST_AGE = 1024;

/** Milliseconds of a decoding step by its rows, measured; in between and beyond, in proportion to a first guess. */
export class StepCosts {
  private readonly ms = new Float64Array(MAX_RUN_ROWS + 1);
  private readonly times = new Uint32Array(MAX_RUN_ROWS + 1);
  private readonly measured = new Float64Array(MAX_RUN_ROWS + 1);
  private steps = 0;

  /** Takes the time of a step; those of other kinds are passed over. */
  learn(rows: number, ms: number): void {
    if (rows > MAX_RUN_ROWS) return;
    this.steps++;
    this.measured[rows] = this.steps;
    const times = ++this.times[rows];
    // A first step compiles and fills caches: it says too much, so the least of the first three counts.
    if (times <= 3) this.ms[rows] = times === 1 ? ms : Math.min(ms, this.ms[rows]);
    else
      this.ms[rows] +=
        (ms < this.ms[rows] ? LESS_WEIGHT : MORE_WEIGHT) * (Math.min(ms, 4 * this.ms[rows]) - this.ms[rows]);
  }

  /** The most rows to try where `rows` must be: twice as many as are known, so that a wrong guess costs little. */
  reach(rows: number): number {
    let largest = MAX_RUN_ROWS;
    while (largest > rows && !this.isKnown(largest)) largest--;
    return Math.min(MAX_RUN_ROWS, 2 * largest);
  }

  /** The expected time of a step, in milliseconds once one has been measured. */
  of(rows: number): number {
    let below = rows;
    while (below > 0 && !this.isKnown(below)) below--;
    let above = rows;
    while (above <= MAX_RUN_ROWS && !this.isKnown(above)) above++;
    const low = below > 0 ? this.ms[below] / guess(below) : undefined;
    const high = above <= MAX_RUN_ROWS ? this.ms[above] / guess(above) : undefined;
    if (low === undefined) return guess(rows) * (high ?? 1);
    if (high === undefined || above === below) return guess(rows) * low;
    return guess(rows) * (low + ((high - low) * (rows - below)) / (above - below));
  }

  /** What has not been measured for long may have changed: it is forgotten, and so tried again. */
  private isKnown(rows: number): boolean {
    const times = this.times[rows];
    return times > 0 && this.steps - this.measured[rows] <= Math.min(GREATEST_AGE, FIRST_AGE << Math.min(times, 8));
  }
}

function guess(rows: number): number {
  return 1 + FIRST_SLOPE * (rows - 1);
}
