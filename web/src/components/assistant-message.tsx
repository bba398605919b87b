/** An answer: its thinking, its words, what it called, how it ended. */
import { memo } from 'react';
import { useStrings } from '../i18n/use-strings.js';
import { Markdown } from '../markdown/markdown.js';
import { regenerate } from '../state/chat.js';
import type { Conversation, Message } from '../state/types.js';
import { CopyButton } from './copy-button.js';
import { FailureNote } from './failure-note.js';
import { AgainIcon } from './icons.js';
import { StatsLine } from './stats-line.js';
import { Thinking } from './thinking.js';
import { ToolCalls } from './tool-calls.js';
import { Versions } from './versions.js';

interface Props {
  conversation: Conversation;
  message: Message;
  /** The shown branch, where the results of the answer's calls are. */
  path: readonly Message[];
}

export const AssistantMessage = memo(
  function AssistantMessage({ conversation, message, path }: Props) {
    const strings = useStrings();
    const { content, thinking, toolCalls, state, failure } = message;
    const streaming = state === 'streaming';
    const model = message.model ?? strings.model;
    return (
      <article className="answer" aria-label={strings.answered(model)} aria-busy={streaming}>
        <p className="speaker" aria-hidden="true" title={model}>
          {model}
        </p>
        {thinking && <Thinking message={message} />}
        {content && (
          <div className="prose">
            <Markdown source={content} growing={streaming} />
          </div>
        )}
        {streaming && !content && !thinking && !toolCalls && <p className="waiting">{strings.waiting}</p>}
        {toolCalls && <ToolCalls calls={toolCalls} message={message} path={path} />}
        {message.notices?.map((notice) => (
          <p key={notice} className="remark">
            {notice}
          </p>
        ))}
        <Ending message={message} />
        {failure && <FailureNote failure={failure} retry={() => regenerate(conversation.id, message)} />}
        {!streaming && (
          <div className="tools">
            <Versions conversation={conversation} message={message} />
            {!failure && (
              <button
                type="button"
                className="quiet"
                aria-label={strings.regenerate}
                title={strings.regenerate}
                onClick={() => regenerate(conversation.id, message)}
              >
                <AgainIcon />
              </button>
            )}
            {content && <CopyButton text={content} label={strings.copy} />}
            {message.stats && <StatsLine stats={message.stats} />}
          </div>
        )}
      </article>
    );
  },
  (before, after) =>
    before.message === after.message && before.conversation.messages.length === after.conversation.messages.length,
);

/** How an answer ended, where that needs saying. */
function Ending({ message: { state, finish, content, toolCalls } }: { message: Message }) {
  const strings = useStrings();
  const said: Readonly<Record<string, string>> = {
    length: strings.cutOff,
    repetition: strings.repeating,
    timeout: strings.timedOut,
  };
  const words =
    state === 'stopped'
      ? strings.stopped
      : state !== 'done'
        ? undefined
        : finish !== undefined && Object.hasOwn(said, finish)
          ? said[finish]
          : !content && !toolCalls
            ? strings.empty
            : undefined;
  return words ? <p className="remark">{words}</p> : null;
}
