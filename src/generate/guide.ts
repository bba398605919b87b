/**
 * What leads an answer beside the model: thinking is counted and ended when its budget is spent, and once it is over
 * the answer keeps to its grammar. Generation asks before it draws each token, and says what was drawn.
 */
import type { ThinkingControl } from './engine.js';
import type { Constraint } from './grammar/constraint.js';
import type { Allowed } from './sampler.js';

/** What holds for the next token: it is this one, or one of these, or any. */
export interface Lead {
  forced?: number;
  allowed?: Allowed;
}

export class Guide {
  /** Tokens between start and end of thinking, those of a forced closing not counted. */
  thinkingTokens = 0;
  #state: 'start' | 'thinking' | 'answer';
  /** Tokens that come next, whatever the model says. */
  #forced: number[] = [];
  /** How much of `start` or `end` has just come. */
  #matched = 0;

  /** `stops`: tokens that end an answer. */
  constructor(
    private readonly thinking: ThinkingControl | undefined,
    private readonly constraint: Constraint | undefined,
    private readonly stops: ReadonlySet<number>,
  ) {
    this.#state = !thinking ? 'answer' : thinking.open ? 'thinking' : 'start';
    if (thinking?.open) this.#spend(thinking);
  }

  next(): Lead {
    if (this.#forced.length > 0) return { forced: this.#forced[0] };
    const { thinking, constraint } = this;
    if (!constraint) return {};
    if (this.#state === 'thinking') return { allowed: this.#notStopping() };
    if (this.#state === 'start' && thinking) return { allowed: this.#orStart(constraint, thinking.start[0]) };
    return { allowed: constraint };
  }

  /** `id`, not a stop token, belongs to the answer. */
  push(id: number): void {
    const { thinking, constraint } = this;
    const forced = this.#forced.length > 0;
    if (forced) this.#forced.shift();
    if (thinking && this.#state === 'start') {
      if (id === thinking.start[this.#matched]) {
        this.#matched++;
        if (this.#matched === thinking.start.length) this.#begin(thinking);
        // The grammar has not seen what has come.
        else if (constraint) this.#forced = [thinking.start[this.#matched]];
        return;
      }
      this.#state = 'answer';
    } else if (thinking && this.#state === 'thinking') {
      this.#think(id, forced, thinking);
      return;
    }
    if (!forced) constraint?.accept(id);
  }

  #begin(thinking: ThinkingControl): void {
    this.#state = 'thinking';
    this.#matched = 0;
    this.#spend(thinking);
  }

  #think(id: number, forced: boolean, thinking: ThinkingControl): void {
    const { end } = thinking;
    if (!forced) this.thinkingTokens++;
    // An end of several tokens may begin again in its own midst.
    while (this.#matched > 0 && id !== end[this.#matched]) this.#matched = shorter(end, this.#matched);
    if (id === end[this.#matched]) this.#matched++;
    if (this.#matched === end.length) {
      if (!forced) {
        this.thinkingTokens -= end.length;
        // What a constrained answer may begin with says its grammar; the model expects the lines that it knows.
        if (this.constraint) this.#forced = blankLines(thinking);
      }
      this.#state = 'answer';
    } else if (!forced) {
      this.#spend(thinking);
    }
  }

  /** Closes thinking if there may be no more of it. */
  #spend(thinking: ThinkingControl): void {
    const { budget, close, end } = thinking;
    if (budget === undefined || this.thinkingTokens - this.#matched < budget) return;
    // An end that has begun is ended.
    this.#forced = this.#matched > 0 ? [...end.slice(this.#matched), ...blankLines(thinking)] : [...close];
  }

  /** An answer that must match a grammar does not end before it has begun. */
  #notStopping(): Allowed {
    return {
      allows: (id) => !this.stops.has(id),
      restrict: (logits) => {
        for (const id of this.stops) if (id < logits.length) logits[id] = -Infinity;
        return { all: true, left: logits.length };
      },
    };
  }

  /** What the grammar allows, or that thinking begins. */
  #orStart(constraint: Constraint, start: number): Allowed {
    return {
      allows: (id) => id === start || constraint.allows(id),
      restrict: (logits, fully) => {
        const logit = logits[start];
        const { all, left } = constraint.restrict(logits, fully);
        logits[start] = logit;
        return { all, left: left + 1 };
      },
    };
  }
}

/** What follows `end` in `close`. */
function blankLines({ close, end }: ThinkingControl): number[] {
  for (let at = close.length - end.length; at >= 0; at--) {
    if (end.every((id, i) => close[at + i] === id)) return close.slice(at + end.length);
  }
  return [];
}

/** The longest proper beginning of `ids` that its first `length` also end with. */
function shorter(ids: readonly number[], length: number): number {
  for (let size = length - 1; size > 0; size--) {
    if (ids.slice(length - size, length).every((id, i) => id === ids[i])) return size;
  }
  return 0;
}
