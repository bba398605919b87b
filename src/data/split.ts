/**
 * Which documents are kept for validation. Documents that share their question (or their text) fall on one side, so
 * that nothing is measured on what was trained. The choice depends on the questions and the seed, not on their order.
 */
import { createHash } from 'node:crypto';

/**
 * @param questions the hash of each document's question  @param fates 0 for documents that stay, more for dropped ones
 * @param share of the questions that are kept for validation; at least one where there are two or more
 * @returns `fates` with 1 for documents of the validation part
 */
export function chooseValidation(
  questions: readonly string[],
  fates: Uint8Array,
  share: number,
  seed: number,
): Uint8Array {
  const result = fates.slice();
  const groups = new Set(questions.filter((_, i) => fates[i] === 0));
  if (share === 0 || groups.size < 2) return result;
  const ranks = Array.from(groups, (question) => ({ question, rank: rankOf(question, seed) }));
  ranks.sort((a, b) => (a.rank < b.rank ? -1 : 1));
  const chosen = new Set(ranks.slice(0, Math.max(1, Math.round(share * groups.size))).map(({ question }) => question));
  for (const [i, question] of questions.entries()) if (result[i] === 0 && chosen.has(question)) result[i] = 1;
  return result;
}

function rankOf(question: string, seed: number): string {
  return createHash('sha256').update(`${seed} ${question}`).digest('hex');
}
