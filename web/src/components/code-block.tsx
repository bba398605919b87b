/** Code with its language's name, its colours once they are loaded, and a button that copies it. */
import { type ReactNode, useEffect, useMemo } from 'react';
import { useStrings } from '../i18n/use-strings.js';
import type { highlight, Piece } from '../markdown/highlight.js';
import { Store, useStore } from '../state/store.js';
import { CopyButton } from './copy-button.js';

/** Larger code is coloured only once it is complete: until then it would be done again with every line. */
const GROWING_LIMIT = 6_000;
const LIMIT = 200_000;

const highlighter = new Store<{ highlight?: typeof highlight }>({});

/** Once it is loaded, loading again does nothing; where it failed, the next code block tries again. */
function load(): void {
  import('../markdown/highlight.js').then(
    ({ highlight }) => highlighter.get().highlight ?? highlighter.set({ highlight }),
    () => {},
  );
}

export function CodeBlock({ code, language, growing }: { code: string; language: string; growing: boolean }) {
  const strings = useStrings();
  const { highlight } = useStore(highlighter);
  useEffect(load, []);
  const coloured = useMemo(
    () => (code.length <= (growing ? GROWING_LIMIT : LIMIT) ? highlight?.(code, language.toLowerCase()) : undefined),
    [code, language, growing, highlight],
  );
  return (
    <figure className="code" aria-label={strings.codeIn(language)}>
      <figcaption>
        <span>{language}</span>
        <CopyButton text={code} label={strings.copyCode} />
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: wide code is scrolled with the keyboard */}
      <pre tabIndex={0}>
        <code>{coloured ? spans(coloured) : code}</code>
      </pre>
    </figure>
  );
}

function spans(pieces: readonly Piece[]): ReactNode[] {
  return pieces.map((piece, index) =>
    typeof piece === 'string' ? (
      piece
    ) : (
      // biome-ignore lint/suspicious/noArrayIndexKey: pieces have nothing else that tells them apart
      <span key={index} className={piece.className}>
        {spans(piece.pieces)}
      </span>
    ),
  );
}
