/** How fast an answer was. */
import { useStrings } from '../i18n/use-strings.js';
import type { AnswerStats } from '../state/types.js';

export function StatsLine({ stats: { firstMs, tokensPerSecond, completionTokens } }: { stats: AnswerStats }) {
  const strings = useStrings();
  const facts = [
    completionTokens && strings.tokens(completionTokens),
    tokensPerSecond !== undefined && strings.tokensPerSecond(tokensPerSecond),
    firstMs !== undefined && strings.firstAfter(strings.seconds(firstMs / 1000)),
  ].filter((fact): fact is string => typeof fact === 'string');
  return <p className="stats">{facts.join(' · ')}</p>;
}
