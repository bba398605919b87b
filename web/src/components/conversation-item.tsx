/** One line of the list: go there, rename, delete. */
import { memo, useState } from 'react';
import { useStrings } from '../i18n/use-strings.js';
import { running } from '../state/chat.js';
import { change } from '../state/library.js';
import { useStore } from '../state/store.js';
import { titleOf } from '../state/tree.js';
import type { Conversation } from '../state/types.js';
import { removeWithUndo, show } from '../state/view.js';
import { BinIcon, PenIcon } from './icons.js';

interface Props {
  conversation: Conversation;
  current: boolean;
}

export const ConversationItem = memo(function ConversationItem({ conversation, current }: Props) {
  const strings = useStrings();
  const [renaming, setRenaming] = useState(false);
  const busy = useStore(running).has(conversation.id);
  const title = titleOf(conversation) || strings.untitled;
  if (renaming) return <Rename conversation={conversation} title={title} done={() => setRenaming(false)} />;
  return (
    <li className="item" data-current={current}>
      <button
        type="button"
        className="go"
        aria-current={current ? 'page' : undefined}
        onClick={() => show(conversation.id)}
      >
        {busy && <span className="busy" aria-hidden="true" />}
        <span className="title">{title}</span>
      </button>
      {/* biome-ignore lint/a11y/useSemanticElements: two buttons make no form */}
      <span className="actions" role="group" aria-label={strings.more(title)}>
        <button type="button" aria-label={strings.rename} title={strings.rename} onClick={() => setRenaming(true)}>
          <PenIcon />
        </button>
        <button
          type="button"
          aria-label={strings.delete}
          title={strings.delete}
          onClick={() => {
            removeWithUndo(conversation, strings.deleted(title));
            document.getElementById('search')?.focus();
          }}
        >
          <BinIcon />
        </button>
      </span>
    </li>
  );
});

function Rename({ conversation, title, done }: { conversation: Conversation; title: string; done: () => void }) {
  const strings = useStrings();
  const [name, setName] = useState(title);
  const save = (): void => {
    change(conversation.id, (now) => ({ ...now, title: name.trim().slice(0, 200) }));
    done();
  };
  return (
    <li className="item">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        <input
          ref={(input) => input?.focus()}
          aria-label={strings.renameLabel}
          value={name}
          maxLength={200}
          onChange={(event) => setName(event.target.value)}
          onBlur={save}
          onKeyDown={(event) => {
            if (event.key !== 'Escape' || event.nativeEvent.isComposing) return;
            event.preventDefault();
            done();
          }}
        />
      </form>
    </li>
  );
}
