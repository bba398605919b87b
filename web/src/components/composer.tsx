/** The box where messages are written. A message that was not sent stays with its conversation while the page is open. */
import { useLayoutEffect, useRef, useState } from 'react';
import { useStrings } from '../i18n/use-strings.js';
import { running, send, stop } from '../state/chat.js';
import { useStore } from '../state/store.js';
import { branch } from '../state/tree.js';
import type { Conversation } from '../state/types.js';
import { editing } from '../state/view.js';
import { sends } from './composing.js';
import { begin } from './greeting.js';
import { StopIcon, UpIcon } from './icons.js';

const drafts = new Map<string, string>();

export function Composer({ conversation }: { conversation: Conversation | undefined }) {
  const strings = useStrings();
  const place = conversation?.id ?? '';
  const [text, setText] = useState(drafts.get(place) ?? '');
  const box = useRef<HTMLTextAreaElement>(null);
  const busy = useStore(running).has(place);
  useFit(box, text);

  const write = (value: string): void => {
    drafts.set(place, value);
    setText(value);
  };
  const submit = (): void => {
    if (busy || !text.trim()) return;
    write('');
    if (conversation) send(conversation, text.trim());
    else begin(text.trim());
  };
  const editLast = (): boolean => {
    const question = conversation && branch(conversation).findLast(({ role }) => role === 'user');
    if (!question || text !== '' || busy) return false;
    editing.set(question.id);
    return true;
  };

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <textarea
        ref={box}
        id="message"
        rows={1}
        aria-label={strings.ask}
        aria-describedby="hint"
        placeholder={strings.askPlaceholder}
        enterKeyHint="send"
        value={text}
        onChange={(event) => write(event.target.value)}
        onKeyDown={(event) => {
          if (sends(event)) submit();
          else if (event.key !== 'ArrowUp' || event.nativeEvent.isComposing || !editLast()) return;
          event.preventDefault();
        }}
      />
      {busy ? (
        <button
          key="stop"
          type="button"
          className="stop"
          aria-label={strings.stop}
          title={strings.stop}
          onClick={() => stop(place)}
        >
          <StopIcon />
        </button>
      ) : (
        <button
          key="send"
          type="submit"
          className="send"
          aria-label={strings.send}
          title={strings.send}
          disabled={!text.trim()}
        >
          <UpIcon />
        </button>
      )}
      <p id="hint" className="hint">
        {strings.hint}
      </p>
    </form>
  );
}

/** As high as its text, within the limits of the style sheet. */
function useFit(box: React.RefObject<HTMLTextAreaElement | null>, text: string): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the text is what the height depends on
  useLayoutEffect(() => {
    const area = box.current;
    if (!area) return;
    area.style.height = 'auto';
    area.style.height = `${area.scrollHeight}px`;
  }, [box, text]);
}
