/** Goes between versions of a message: answers given again, questions asked differently. */
import { useStrings } from '../i18n/use-strings.js';
import { showBranch } from '../state/chat.js';
import { siblings } from '../state/tree.js';
import type { Conversation, Message } from '../state/types.js';
import { LeftIcon, RightIcon } from './icons.js';

export function Versions({ conversation, message }: { conversation: Conversation; message: Message }) {
  const strings = useStrings();
  const all = siblings(conversation, message);
  if (all.length < 2) return null;
  const at = all.findIndex(({ id }) => id === message.id);
  const label = strings.version(at + 1, all.length);
  const go = (to: number): void => showBranch(conversation.id, all[to]);
  return (
    // biome-ignore lint/a11y/useSemanticElements: two buttons make no form
    <span className="versions" role="group" aria-label={label}>
      <button
        type="button"
        className="quiet"
        aria-label={strings.previous}
        title={strings.previous}
        disabled={at === 0}
        onClick={() => go(at - 1)}
      >
        <LeftIcon />
      </button>
      <span aria-hidden="true">
        {at + 1}/{all.length}
      </span>
      <button
        type="button"
        className="quiet"
        aria-label={strings.next}
        title={strings.next}
        disabled={at === all.length - 1}
        onClick={() => go(at + 1)}
      >
        <RightIcon />
      </button>
    </span>
  );
}
