/**
 * Colours for code, loaded with the first code block that is shown. The highlighter writes markup of one kind,
 * `<span class>` around escaped text; it is read back into pieces, so that the page never sets markup.
 */
import hljs from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import cpp from 'highlight.js/lib/languages/cpp';
import csharp from 'highlight.js/lib/languages/csharp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import dockerfile from 'highlight.js/lib/languages/dockerfile';
import go from 'highlight.js/lib/languages/go';
import ini from 'highlight.js/lib/languages/ini';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import kotlin from 'highlight.js/lib/languages/kotlin';
import markdown from 'highlight.js/lib/languages/markdown';
import php from 'highlight.js/lib/languages/php';
import python from 'highlight.js/lib/languages/python';
import ruby from 'highlight.js/lib/languages/ruby';
import rust from 'highlight.js/lib/languages/rust';
import sql from 'highlight.js/lib/languages/sql';
import swift from 'highlight.js/lib/languages/swift';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';

const languages = {
  ...{ bash, cpp, csharp, css, diff, dockerfile, go, ini, java, javascript, json, kotlin, markdown, php, python },
  ...{ ruby, rust, sql, swift, typescript, xml, yaml },
};
for (const [name, language] of Object.entries(languages)) hljs.registerLanguage(name, language);

/** Text, or a coloured span of such pieces. */
export type Piece = string | { className: string; pieces: Piece[] };

/** The pieces of a code block; undefined for a language that is not known. */
export function highlight(code: string, language: string): Piece[] | undefined {
  if (!hljs.getLanguage(language)) return undefined;
  return pieces(hljs.highlight(code, { language, ignoreIllegals: true }).value);
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#x27': "'" };

/** Undoes the highlighter's markup. */
function pieces(markup: string): Piece[] {
  const root: Piece[] = [];
  const open = [root];
  for (const [, className, close, text] of markup.matchAll(/<span class="([^"]*)">|(<\/span>)|([^<]+)/g)) {
    const inner = open[open.length - 1];
    if (className !== undefined) {
      const span = { className, pieces: [] };
      inner.push(span);
      open.push(span.pieces);
    } else if (close) {
      if (open.length > 1) open.pop();
    } else inner.push(text.replace(/&(\w+|#x27);/g, (entity, name: string) => ENTITIES[name] ?? entity));
  }
  return root;
}
