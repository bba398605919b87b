import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KaiwenError } from '../errors.js';
import { BYTE_CHARS } from './alphabet.js';
import { checkVocabulary, loadTokenizer, openTokenizer } from './load.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

/** A sound tokenizer.json over bytes, with `change` merged into it. */
function definition(change: Record<string, unknown> = {}, model: Record<string, unknown> = {}): object {
  const vocab: Record<string, number> = Object.fromEntries(BYTE_CHARS.map((char, byte) => [char, byte]));
  return {
    added_tokens: [{ id: 257, content: '<|im_end|>', special: true }],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false },
    model: { type: 'BPE', vocab: { ...vocab, ab: 256 }, merges: ['a b'], ...model },
    ...change,
  };
}

const vocab = (entries: Record<string, unknown>) => ({
  vocab: { ...Object.fromEntries(BYTE_CHARS.map((char, byte) => [char, byte])), ab: 256, ...entries },
});

describe('tokenizer.json', () => {
  it('is read with its neighbour tokenizer_config.json', () => {
    write('tokenizer.json', definition({ post_processor: null }));
    write('tokenizer_config.json', { bos_token: { content: 'a' }, add_bos_token: true, eos_token: 'b' });
    const tokenizer = openTokenizer(folder);
    expect(tokenizer.encode('ab c')).toEqual([256, 0x20, 0x63]);
    expect(tokenizer).toMatchObject({ vocabSize: 258, bosToken: 0x61, addBos: true, eosTokens: [0x62, 257] });
    rmSync(join(folder, 'tokenizer_config.json'));
  });

  it('may put its bos token in a template', () => {
    const single = [{ SpecialToken: { id: '<|im_end|>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }];
    const path = write('template.json', definition({ post_processor: { type: 'TemplateProcessing', single } }));
    expect(openTokenizer(path)).toMatchObject({ bosToken: 257, addBos: true });
  });

  const broken: [string, object | string, string][] = [
    ['no JSON', '{"model": ', 'is not JSON'],
    ['an array', [], 'is not a JSON object'],
    ['no model', { added_tokens: [] }, '"model"'],
    ['no merges', definition({}, { merges: 'x' }), 'model.merges'],
    ['an id that repeats', definition({}, vocab({ cd: 256 })), 'id 256'],
    ['an absurd id', definition({}, vocab({ cd: 4e9 })), 'impossible id 4000000000'],
    ['an id that is no number', definition({}, vocab({ cd: 'x' })), 'impossible id x'],
    ['a merge of an unknown token', definition({}, { merges: ['a b', 'a zz'] }), 'model.merges[1] names "zz"'],
    ['a merge into an unknown token', definition({}, { merges: [['a', 'c']] }), 'model.merges[0] names "ac"'],
    ['a merge that is no pair', definition({}, { merges: [['a']] }), 'model.merges[0]'],
    ['a byte without a token', definition({}, { vocab: { a: 0 }, merges: [] }), 'byte 0x0'],
    ['an added token without an id', definition({ added_tokens: [{ content: 'x' }] }), 'added_tokens[0]'],
    ['an added token on a taken id', definition({ added_tokens: [{ id: 3, content: 'x' }] }), 'id 3'],
    ['an empty added token', definition({ added_tokens: [{ id: 300, content: '' }] }), 'added token 300 is empty'],
  ];
  it.each(broken)('with %s is refused', (_name, content, message) => {
    const path = write('broken.json', content);
    expect(() => openTokenizer(path)).toThrow(
      expect.objectContaining({ code: 'bad_file', message: expect.stringMatching(/broken\.json: /) }),
    );
    expect(() => openTokenizer(path)).toThrow(message);
  });

  const foreign: [string, object][] = [
    ['another model', definition({}, { type: 'Unigram' })],
    ['byte fallback', definition({}, { byte_fallback: true })],
    ['another normaliser', definition({ normalizer: { type: 'Sequence', normalizers: [{ type: 'Lowercase' }] } })],
    ['another pre-tokeniser', definition({ pre_tokenizer: { type: 'Metaspace' } })],
    [
      'a pattern beyond JavaScript',
      definition({
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [
            { type: 'Split', pattern: { Regex: '\\X' }, behavior: 'Isolated' },
            { type: 'ByteLevel', use_regex: false },
          ],
        },
      }),
    ],
  ];
  it.each(foreign)('with %s is said to be unsupported', (_name, content) => {
    const path = write('foreign.json', content);
    expect(() => openTokenizer(path)).toThrow(expect.objectContaining({ code: 'unsupported' }));
  });

  it('damaged anywhere is an error of ours or still a tokenizer', () => {
    const text = readFileSync('models/glossary/tokenizer.json', 'utf8').slice(0, 6000);
    const sound = JSON.stringify(definition({ note: text.slice(0, 200) }));
    fc.assert(
      fc.property(fc.nat(sound.length - 1), fc.constantFrom(...'"{}[],:0a-'), (at, char) => {
        const path = write('damaged.json', sound.slice(0, at) + char + sound.slice(at + 1));
        try {
          expect(openTokenizer(path).encode('abc').length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(KaiwenError);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('rank files', () => {
  const line = (bytes: number[], rank: number) => `${btoa(String.fromCharCode(...bytes))} ${rank}\n`;
  const bytes = Array.from({ length: 256 }, (_, byte) => line([byte], byte)).join('');

  it('merge whatever makes a token, lowest rank first', () => {
    // `xyz` cannot be built from two tokens of lower rank, so it counts only as a whole piece.
    const path = write(
      'a.tiktoken',
      bytes + line([0x62, 0x63], 256) + line([0x61, 0x62], 257) + line([0x78, 0x79, 0x7a], 258),
    );
    const tokenizer = openTokenizer(path);
    expect(tokenizer.encode('abc')).toEqual([0x61, 256]);
    expect(tokenizer.encode('xyz')).toEqual([258]);
    expect(tokenizer.encode('wxyz')).toEqual([0x77, 0x78, 0x79, 0x7a]);
    expect(tokenizer.encode('<|im_end|>', { control: true })).toEqual([261]);
  });

  it.each([
    ['a rank out of order', `${bytes}YWI= 300\n`, 'line 257'],
    ['no base64', `${bytes}%% 256\n`, 'line 257'],
    ['a line without a rank', `${bytes}YWI=\n`, 'line 257'],
    ['a missing byte', line([0], 0), '0x1'],
    ['a token twice', bytes + line([0x61], 256), 'twice'],
    ['nothing', '', 'no token'],
  ])('with %s are refused', (_name, content, message) => {
    const path = write('broken.tiktoken', content);
    expect(() => openTokenizer(path)).toThrow(expect.objectContaining({ code: 'bad_file' }));
    expect(() => openTokenizer(path)).toThrow(message);
  });
});

describe('GGUF metadata', () => {
  const sound: Record<string, unknown> = {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'llama-bpe',
    'tokenizer.ggml.tokens': [...BYTE_CHARS, 'ab', '<|im_end|>', '[PAD258]'],
    'tokenizer.ggml.token_type': [...BYTE_CHARS.map(() => 1), 1, 3, 5],
    'tokenizer.ggml.merges': ['a b'],
    'tokenizer.ggml.bos_token_id': 257,
  };
  const load = (change: Record<string, unknown>) => loadTokenizer({ kind: 'gguf', metadata: { ...sound, ...change } });

  it('says by its types which tokens are control tokens', () => {
    const tokenizer = load({});
    expect(tokenizer).toMatchObject({ vocabSize: 259, bosToken: 257, addBos: true, eosTokens: [257] });
    expect([...tokenizer.controlTokens.keys()]).toEqual(['<|im_end|>']);
    expect(tokenizer.encode('[PAD258]', { control: true })).not.toContain(258);
    expect(tokenizer.decode([258, 256])).toBe('ab');
  });

  it('yields to a tokenizer.json that travels along', () => {
    const tokenizer = load({ 'tokenizer.huggingface.json': JSON.stringify(definition()), 'tokenizer.ggml.pre': 'x' });
    expect(tokenizer.encode('ab')).toEqual([256]);
  });

  it.each([
    ['tokenizer.ggml.model', 'llama', 'unsupported'],
    ['tokenizer.ggml.pre', 'toString', 'unsupported'],
    ['tokenizer.ggml.tokens', 'x', 'bad_file'],
    ['tokenizer.ggml.tokens', [...BYTE_CHARS, 1], 'bad_file'],
    ['tokenizer.ggml.tokens', [...BYTE_CHARS, 'a'], 'bad_file'],
    ['tokenizer.ggml.merges', ['a c'], 'bad_file'],
    ['tokenizer.ggml.merges', undefined, 'bad_file'],
    ['tokenizer.ggml.bos_token_id', 259, 'bad_file'],
  ])('with a wrong %s are refused', (field, value, code) => {
    expect(() => load({ [field]: value })).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(field) }),
    );
  });
});

describe('paths', () => {
  it('may be a folder with one GGUF file', () => {
    const tokenizer = openTokenizer('models/mini');
    expect(tokenizer.decode(tokenizer.encode('日本 and 37 + 48'))).toBe('日本 and 37 + 48');
  });

  it('that lead nowhere are named', () => {
    for (const path of ['none.json', 'none.tiktoken']) {
      const full = join(folder, path);
      expect(() => openTokenizer(full)).toThrow(expect.objectContaining({ code: 'not_found' }));
      expect(() => openTokenizer(full)).toThrow(full);
    }
  });

  it('a vocabulary larger than the embedding belongs to another model', () => {
    const tokenizer = openTokenizer(write('small.json', definition()));
    expect(() => checkVocabulary(tokenizer, 257)).toThrow(expect.objectContaining({ code: 'bad_file' }));
    checkVocabulary(tokenizer, 258);
  });
});
