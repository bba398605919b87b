/**
 * Tokens added beside the merges: control tokens (`<|im_end|>`, special) and named ones (`<think>`, not special).
 * They are found in text before anything else, the longest at the leftmost place, and only when the caller parses
 * control tokens at all.
 */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Hidden when text is decoded without `control`. */
  readonly special: boolean;
  /** Sought in the normalised text instead of the text as given. */
  readonly normalized: boolean;
  /** White space before (after) the token belongs to it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Not part of a longer word. */
  readonly singleWord: boolean;
}

const WORD_BEFORE = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]$/u;
const WORD_AFTER = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]/u;

export class AddedTokenFinder {
  private readonly tokens: ReadonlyMap<string, AddedToken>;
  private readonly pattern?: RegExp;

  /** @param tokens each token under the text to look for */
  constructor(tokens: ReadonlyMap<string, AddedToken>) {
    this.tokens = tokens;
    const contents = [...tokens.keys()].sort((a, b) => b.length - a.length);
    const escaped = contents.map((content) => content.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'));
    if (escaped.length > 0) this.pattern = new RegExp(escaped.join('|'), 'g');
  }

  /** `text` as stretches of plain text (never empty) and the tokens between them. */
  split(text: string): (string | AddedToken)[] {
    if (this.pattern === undefined) return text === '' ? [] : [text];
    const parts: (string | AddedToken)[] = [];
    let done = 0;
    let stripNext = false;
    const pushText = (end: number, stripEnd: boolean): void => {
      let part = text.slice(done, end);
      if (stripNext) part = part.trimStart();
      if (stripEnd) part = part.trimEnd();
      if (part !== '') parts.push(part);
    };
    for (const match of text.matchAll(this.pattern)) {
      const token = this.tokens.get(match[0])!;
      const end = match.index + match[0].length;
      if (token.singleWord && insideWord(text, match.index, end)) continue;
      pushText(match.index, token.lstrip);
      parts.push(token);
      stripNext = token.rstrip;
      done = end;
    }
    pushText(text.length, false);
    return parts;
  }
}

function insideWord(text: string, start: number, end: number): boolean {
  return WORD_BEFORE.test(text.slice(Math.max(0, start - 2), start)) || WORD_AFTER.test(text.slice(end, end + 2));
}
