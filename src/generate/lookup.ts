/**
 * Drafts by looking back ("Inference with Reference", arXiv:2304.04487; prompt lookup): where the last few
 * tokens have stood before, what followed them then is proposed to follow again. Knows token ids only; whether a
 * proposal is worth computing is speculation.ts's question, whether it is right the model's.
 *
 * A token costs three slots of a hash table, however long the text. A slot holds the last position of an n-gram;
 * n-grams that share a slot push each other out, which loses a proposal and never makes a wrong one.
 */
const SHORTEST = 2;
const LONGEST = 4;
/** A match is measured up to this length: beyond it, longer says nothing more. */
export const MAX_MATCH = 16;
const LEAST_SLOTS = 1024;

export class Lookup {
  private tokens = new Int32Array(LEAST_SLOTS / 2);
  private size = 0;
  /** For n-grams of 2, 3 and 4 tokens: where the last one ended, plus one; 0 is empty. */
  private tables = newTables(LEAST_SLOTS);
  /** Where the earlier occurrence of the last tokens ends; -1: they are new. */
  private match = -1;
  private common = 0;

  constructor(tokens: Iterable<number> = []) {
    for (const id of tokens) this.push(id);
  }

  /** How many of the last tokens the earlier occurrence shares, 2 to MAX_MATCH; 0 where there is none. */
  get matched(): number {
    return this.common;
  }

  /** The token that followed the earlier occurrence; undefined where there is none. */
  get next(): number | undefined {
    return this.match < 0 ? undefined : this.tokens[this.match + 1];
  }

  push(id: number): void {
    if (this.size === this.tokens.length) this.grow();
    const follows = this.match >= 0 && this.tokens[this.match + 1] === id;
    this.tokens[this.size++] = id;
    const found = this.enter(this.size);
    const common = found < 0 ? 0 : this.agreement(found, this.size);
    // An occurrence that keeps agreeing is better than one that is only nearer.
    if (follows && this.common + 1 >= common) {
      this.match++;
      this.common = Math.min(this.common + 1, MAX_MATCH);
    } else {
      this.match = found;
      this.common = common;
    }
  }

  /** What followed the earlier occurrence, at most `limit` tokens; a loop that reaches the text's end goes round. */
  draft(limit: number): number[] {
    const draft: number[] = [];
    if (this.match < 0) return draft;
    for (let i = this.match + 1; draft.length < limit; i++) {
      draft.push(i < this.size ? this.tokens[i] : draft[i - this.size]);
    }
    return draft;
  }

  /** Enters the n-grams that end `size` tokens; returns where the longest of them had ended before, or -1. */
  private enter(size: number): number {
    const { tokens, tables } = this;
    const mask = tables[0].length - 1;
    let found = -1;
    let hash = tokens[size - 1];
    for (let n = SHORTEST; n <= LONGEST && n <= size; n++) {
      hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) + Math.imul(tokens[size - n], 0x297a2d39);
      const slot = (hash ^ (hash >>> 16)) & mask;
      const table = tables[n - SHORTEST];
      const end = table[slot] - 1;
      if (end >= 0 && this.agreement(end, size, n) === n) found = end;
      table[slot] = size;
    }
    return found;
  }

  /** How many tokens up to `end` equal the last of `size` tokens, counted up to `most`. */
  private agreement(end: number, size: number, most = MAX_MATCH): number {
    const { tokens } = this;
    let common = 0;
    while (common < most && common <= end && tokens[end - common] === tokens[size - 1 - common]) common++;
    return common;
  }

  private grow(): void {
    const tokens = new Int32Array(2 * this.tokens.length);
    tokens.set(this.tokens);
    this.tokens = tokens;
    this.tables = newTables(2 * tokens.length);
    for (let size = 1; size <= this.size; size++) this.enter(size);
  }
}

function newTables(slots: number): Int32Array[] {
  return Array.from({ length: LONGEST - SHORTEST + 1 }, () => new Int32Array(slots));
}
