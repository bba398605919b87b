/**
 * Markdown as a model writes it. HTML stays text, links go to http, https and mailto and nowhere else, and nothing is
 * loaded: what comes out are tokens, which become elements in render.tsx, never markup.
 */
import MarkdownIt, { type Env, type Token } from 'markdown-it';

export type { Env, Token };

const SAFE = /^(?:https?:\/\/|mailto:)/i;

/** Whether a model may put this address behind a link. */
export function isSafeLink(url: string): boolean {
  return SAFE.test(url.trim());
}

const parser = new MarkdownIt({ html: false, linkify: true });
parser.validateLink = isSafeLink;
// Without its scheme, half the words with a dot in them are a site.
parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false });

/** Tokens of a text's blocks. `env` carries link definitions from one text to the next. */
export function parse(source: string, env: Env): Token[] {
  return parser.parse(source, env);
}
