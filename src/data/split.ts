/**
 * Which documents are kept for validation. Documents whose questions (or texts) are the same or nearly so form a
 * group, and a group falls on one side whole, so that nothing is measured on what was trained. The choice depends on
 * the questions and the seed, not on their order.
 */
import { createHash } from 'node:crypto';
import { HashIndex } from './hash-index.js';
import { NearIndex, QUESTIONS } from './minhash.js';

/** Questions at least so similar are one. */
const SIMILAR = 0.8;

export class QuestionGroups {
  readonly #hashes = new HashIndex();
  readonly #near = new NearIndex(QUESTIONS, SIMILAR);
  /** For each question the question that it is grouped with, itself at the root. */
  readonly #parents: number[] = [];

  /** The question's number. @param signature of the question; absent: only the same question is grouped with it */
  add(high: number, low: number, signature?: Uint32Array): number {
    const known = this.#hashes.size;
    const question = this.#hashes.add(high, low);
    if (question < known) return question;
    this.#parents.push(question);
    if (signature) {
      for (const other of this.#near.find(signature)) this.#parents[this.#root(question)] = this.#root(other);
      this.#near.add(signature);
    }
    return question;
  }

  /**
   * Chooses whole groups, as many as `share` of the documents take: at least one where there are two.
   * @param questionOf the question of each document, −1 for documents that are dropped
   * @returns 1 for each document that is kept for validation
   */
  choose(questionOf: Int32Array, share: number, seed: number): Uint8Array {
    const kept = new Uint8Array(questionOf.length);
    const groups = new Map<number, { rank: string; documents: number }>();
    const ranks = Array.from(this.#parents, () => '');
    let documents = 0;
    for (const question of questionOf) {
      if (question < 0) continue;
      documents++;
      const root = this.#root(question);
      if (ranks[question] === '') ranks[question] = rankOf(this.#hashes.at(question), seed);
      const rank = ranks[question];
      const group = groups.get(root);
      if (!group) groups.set(root, { rank, documents: 1 });
      else {
        group.documents++;
        if (rank < group.rank) group.rank = rank;
      }
    }
    if (share === 0 || groups.size < 2) return kept;
    let left = Math.max(1, Math.round(share * documents));
    const chosen = new Set<number>();
    for (const [root, group] of [...groups].sort(([, a], [, b]) => (a.rank < b.rank ? -1 : 1))) {
      if (group.documents > left) continue;
      left -= group.documents;
      chosen.add(root);
    }
    if (chosen.size === 0) chosen.add(smallest(groups));
    for (const [i, question] of questionOf.entries()) {
      if (question >= 0 && chosen.has(this.#root(question))) kept[i] = 1;
    }
    return kept;
  }

  #root(question: number): number {
    let root = question;
    while (this.#parents[root] !== root) root = this.#parents[root];
    let at = question;
    while (at !== root) {
      const next = this.#parents[at];
      this.#parents[at] = root;
      at = next;
    }
    return root;
  }
}

function smallest(groups: ReadonlyMap<number, { rank: string; documents: number }>): number {
  const [first] = [...groups].sort(([, a], [, b]) => a.documents - b.documents || (a.rank < b.rank ? -1 : 1));
  return first[0];
}

function rankOf([high, low]: [number, number], seed: number): string {
  return createHash('sha256').update(`${seed} ${high} ${low}`).digest('hex');
}
