/** The shown conversation, scrolled along while its end is in sight. */
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useStrings } from '../i18n/use-strings.js';
import { branch } from '../state/tree.js';
import type { Conversation } from '../state/types.js';
import { AssistantMessage } from './assistant-message.js';
import { Greeting } from './greeting.js';
import { DownIcon } from './icons.js';
import { SystemPrompt } from './system-prompt.js';
import { UserMessage } from './user-message.js';

/** How far from the end still counts as at the end. */
const NEAR_PX = 60;

interface Props {
  conversation: Conversation | undefined;
  scroller: RefObject<HTMLElement | null>;
}

export function Thread({ conversation, scroller }: Props) {
  const strings = useStrings();
  const path = conversation ? branch(conversation) : [];
  const { away, toEnd } = useFollow(scroller, conversation);
  return (
    <div className="thread">
      <SystemPrompt conversation={conversation} />
      {conversation && path.length > 0 ? (
        <section aria-label={strings.conversation}>
          {path.map((message) => {
            if (message.role === 'user') {
              return <UserMessage key={message.id} conversation={conversation} message={message} />;
            }
            if (message.role === 'tool') return null; // shown with the call it answers
            return <AssistantMessage key={message.id} conversation={conversation} message={message} path={path} />;
          })}
        </section>
      ) : (
        <Greeting />
      )}
      {away && (
        <button type="button" className="jump" onClick={toEnd}>
          <DownIcon />
          {strings.jump}
        </button>
      )}
    </div>
  );
}

/** Keeps the end in sight while it grows, until the reader scrolls up. */
function useFollow(scroller: RefObject<HTMLElement | null>, conversation: Conversation | undefined) {
  const following = useRef(true);
  const [away, setAway] = useState(false);
  const toEnd = useCallback(() => {
    following.current = true;
    const view = scroller.current;
    view?.scrollTo({ top: view.scrollHeight });
  }, [scroller]);
  useEffect(() => {
    const view = scroller.current;
    if (!view) return;
    const onScroll = (): void => {
      following.current = view.scrollHeight - view.scrollTop - view.clientHeight < NEAR_PX;
      setAway(!following.current);
    };
    view.addEventListener('scroll', onScroll, { passive: true });
    return () => view.removeEventListener('scroll', onScroll);
  }, [scroller]);
  // Asking something shows its answer, wherever the reader was.
  const questions = conversation?.messages.filter(({ role }) => role === 'user').length ?? 0;
  useLayoutEffect(() => {
    if (questions > 0) toEnd();
  }, [questions, toEnd]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each change of the conversation may have made it longer
  useLayoutEffect(() => {
    if (following.current) toEnd();
  }, [conversation, toEnd]);
  return { away, toEnd };
}
