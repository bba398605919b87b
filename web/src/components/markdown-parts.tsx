/** Parts of a Markdown text that are not shown quite as they were written. */
import type { ReactNode } from 'react';
import { useStrings } from '../i18n/use-strings.js';

/** A table that may be wider than the screen. */
export function TableFrame({ children }: { children: ReactNode }) {
  const strings = useStrings();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: wide tables are scrolled with the keyboard
    <section className="table" tabIndex={0} aria-label={strings.table}>
      <table>{children}</table>
    </section>
  );
}

/** An image is offered, not loaded: a model must not make the browser call other servers. */
export function ImageLink({ url, alt }: { url: string; alt: string }) {
  const strings = useStrings();
  return (
    <a href={url} target="_blank" rel="noopener noreferrer nofollow">
      {strings.imageOf(alt)}
    </a>
  );
}
