/** A question: read, copied, or asked differently. */
import { memo, useState } from 'react';
import { useStrings } from '../i18n/use-strings.js';
import { edit } from '../state/chat.js';
import { useStore } from '../state/store.js';
import type { Conversation, Message } from '../state/types.js';
import { editing } from '../state/view.js';
import { sends } from './composing.js';
import { CopyButton } from './copy-button.js';
import { PenIcon } from './icons.js';
import { Versions } from './versions.js';

interface Props {
  conversation: Conversation;
  message: Message;
}

export const UserMessage = memo(
  function UserMessage({ conversation, message }: Props) {
    const strings = useStrings();
    const edited = useStore(editing) === message.id;
    return (
      <article className="question" aria-label={strings.youAsked}>
        <p className="speaker" aria-hidden="true">
          {strings.you}
        </p>
        {edited ? (
          <Editor conversation={conversation} message={message} />
        ) : (
          <>
            <div className="words" data-long={message.content.length > 280}>
              {message.content}
            </div>
            <div className="tools">
              <Versions conversation={conversation} message={message} />
              <button
                type="button"
                className="quiet"
                aria-label={strings.edit}
                title={strings.edit}
                onClick={() => editing.set(message.id)}
              >
                <PenIcon />
              </button>
              <CopyButton text={message.content} label={strings.copy} />
            </div>
          </>
        )}
      </article>
    );
  },
  // While an answer streams, its question stays as it is.
  (before, after) =>
    before.message === after.message && before.conversation.messages.length === after.conversation.messages.length,
);

function Editor({ conversation, message }: Props) {
  const strings = useStrings();
  const [text, setText] = useState(message.content);
  const close = (): void => {
    editing.set(undefined);
    document.getElementById('message')?.focus();
  };
  const submit = (): void => {
    if (!text.trim()) return;
    close();
    edit(conversation.id, message, text.trim());
  };
  return (
    <form
      className="editor"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <textarea
        ref={atEnd}
        aria-label={strings.editLabel}
        aria-describedby="edit-hint"
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (sends(event)) submit();
          else if (event.key === 'Escape' && !event.nativeEvent.isComposing) close();
          else return;
          event.preventDefault();
        }}
      />
      <div className="row">
        <p id="edit-hint">{strings.editHint}</p>
        <button type="button" onClick={close}>
          {strings.cancel}
        </button>
        <button type="submit" className="primary" disabled={!text.trim()}>
          {strings.askAgain}
        </button>
      </div>
    </form>
  );
}

function atEnd(area: HTMLTextAreaElement | null): void {
  if (!area || document.activeElement === area) return;
  area.focus();
  area.setSelectionRange(area.value.length, area.value.length);
}
