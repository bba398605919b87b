import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GrowingMarkdown } from './blocks.js';
import { isSafeLink, type Token } from './parser.js';

const PIECES = [
  ...[
    '# Head\n',
    'text ',
    '*em*',
    '\n',
    '\n\n',
    '- item\n',
    '  - inner\n',
    '1. one\n',
    '> quote\n',
    '```ts\n',
    '```\n',
  ],
  ...[
    'code();\n',
    '| a | b |\n',
    '|---|---|\n',
    '---\n',
    '===\n',
    '    indented\n',
    '`x`',
    '[l](http://a.b)',
    '\r\n',
    '<b>',
  ],
];

/** What a reader would see of tokens. */
const seen = (tokens: readonly Token[]): unknown =>
  tokens.map(({ type, tag, content, hidden, children }) => [type, tag, content, hidden, children && seen(children)]);
const all = (blocks: readonly { tokens: readonly Token[] }[]) => seen(blocks.flatMap(({ tokens }) => tokens));

describe('a growing text', () => {
  it('means at every step what it would mean as a whole', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 30 }), (pieces) => {
        const growing = new GrowingMarkdown();
        let text = '';
        for (const piece of pieces) {
          text += piece;
          expect(all(growing.update(text, false))).toEqual(all(new GrowingMarkdown().update(text, true)));
        }
        expect(all(growing.update(text, true))).toEqual(all(new GrowingMarkdown().update(text, true)));
      }),
      { numRuns: 300 },
    );
  });

  it('keeps the blocks that are done as they are', () => {
    const growing = new GrowingMarkdown();
    const before = growing.update('one\n\ntwo\n\nthr', false);
    const after = growing.update('one\n\ntwo\n\nthree\n\nfour', false);
    expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
    expect(after[0]).toBe(before[0]);
    expect(after).toHaveLength(4);
  });

  it('finds links that are defined after their use, once it is complete', () => {
    const text = 'See [this].\n\nMore.\n\n[this]: https://example.com/\n';
    const growing = new GrowingMarkdown();
    growing.update(text.slice(0, 40), false);
    growing.update(text.slice(0, -4), false);
    const link = growing.update(text, true)[0].tokens[1].children?.find(({ type }) => type === 'link_open');
    expect(link?.attrGet('href')).toBe('https://example.com/');
  });
});

describe('links', () => {
  it('lead to the web or to mail', () => {
    for (const url of ['https://a.b', 'HTTP://a.b', 'mailto:a@b.c']) expect(isSafeLink(url)).toBe(true);
    for (const url of [
      'javascript:1',
      ' javascript:1',
      'java\nscript:1',
      'data:text/html,x',
      'vbscript:x',
      '/v1',
      '//a.b',
    ]) {
      expect(isSafeLink(url)).toBe(false);
    }
  });
});
