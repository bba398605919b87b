/** What the model is told before the conversation begins. */

import { useStrings } from '../i18n/use-strings.js';
import { change } from '../state/library.js';
import { useStore } from '../state/store.js';
import type { Conversation } from '../state/types.js';
import { draftSystem } from '../state/view.js';

export function SystemPrompt({ conversation }: { conversation: Conversation | undefined }) {
  const strings = useStrings();
  const draft = useStore(draftSystem);
  const system = conversation?.system ?? draft;
  const set = (text: string): void => {
    if (conversation) change(conversation.id, (now) => ({ ...now, system: text }));
    else draftSystem.set(text);
  };
  return (
    <details className="system" aria-label={strings.systemPrompt}>
      <summary>
        <span>{strings.systemPrompt}</span> <span className="excerpt">{system.trim() || strings.systemNone}</span>
      </summary>
      <textarea
        aria-label={strings.systemPrompt}
        placeholder={strings.systemPlaceholder}
        rows={3}
        value={system}
        onChange={(event) => set(event.target.value)}
      />
    </details>
  );
}
