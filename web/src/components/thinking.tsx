/** What the model thought before it answered: open while it comes, folded after, and as the reader wants it then. */
import { useId, useState } from 'react';
import { useStrings } from '../i18n/use-strings.js';
import { Markdown } from '../markdown/markdown.js';
import type { Message } from '../state/types.js';
import { RightIcon } from './icons.js';

export function Thinking({ message: { thinking = '', thinkingMs, state } }: { message: Message }) {
  const strings = useStrings();
  const id = useId();
  const [chosen, choose] = useState<boolean>();
  const going = state === 'streaming' && thinkingMs === undefined;
  const open = chosen ?? going;
  const label = going
    ? strings.thinking
    : thinkingMs === undefined
      ? strings.thought
      : strings.thoughtFor(strings.seconds(thinkingMs / 1000));
  return (
    <div className="thinking" data-going={going}>
      <button type="button" aria-expanded={open} aria-controls={id} onClick={() => choose(!open)}>
        <RightIcon />
        {label}
      </button>
      <div id={id} className="prose thoughts" hidden={!open}>
        {open && <Markdown source={thinking} growing={going} />}
      </div>
    </div>
  );
}
