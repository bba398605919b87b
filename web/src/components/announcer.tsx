/** Tells a screen reader how the answer is coming along: that it begins, and what it is once it is whole. */
import { useEffect, useRef, useState } from 'react';
import type { Strings } from '../i18n/strings.js';
import { useStrings } from '../i18n/use-strings.js';
import { branch } from '../state/tree.js';
import type { Conversation, Message } from '../state/types.js';

/** Longer answers are announced, not read out. */
const READ_OUT = 400;

export function Announcer({ conversation }: { conversation: Conversation | undefined }) {
  const strings = useStrings();
  const [said, say] = useState('');
  const last = conversation && branch(conversation).at(-1);
  const going = useRef<string>(undefined);
  const phase = last?.role === 'assistant' ? phaseOf(last) : undefined;
  // biome-ignore lint/correctness/useExhaustiveDependencies: only a new phase is news
  useEffect(() => {
    if (!last || !phase) return;
    if (last.state === 'streaming') going.current = last.id;
    // What was there when the conversation was opened is for reading, not for announcing.
    if (going.current === last.id) say(words(last, phase, strings));
  }, [last?.id, phase, strings]);
  return (
    <div className="sr-only" role="status">
      {said}
    </div>
  );
}

type Phase = 'waiting' | 'thinking' | 'answering' | 'done' | 'stopped' | 'failed';

function phaseOf({ state, content, thinking }: Message): Phase {
  if (state !== 'streaming') return state;
  return content ? 'answering' : thinking ? 'thinking' : 'waiting';
}

function words({ content, model }: Message, phase: Phase, strings: Strings): string {
  const name = model ?? strings.model;
  if (phase === 'thinking') return strings.announceThinking(name);
  if (phase === 'answering') return strings.announceAnswering(name);
  if (phase === 'stopped') return strings.announceStopped;
  if (phase !== 'done' || !content) return '';
  if (content.length <= READ_OUT) return strings.announceDone(content);
  return strings.announceLong(content.match(/[\p{Script=Han}]|[^\s\p{Script=Han}]+/gu)?.length ?? 0);
}
