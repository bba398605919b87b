/** A tokenizer's definition written as tokenizer.json, Hugging Face's form: the other half of from-json.ts. */
import { toAlphabet } from '../tokenizer/alphabet.js';
import type { TokenizerDefinition } from '../tokenizer/byte-level.js';

export function tokenizerJson(definition: TokenizerDefinition): string {
  const { vocabulary, added, patterns, nfc, whole } = definition;
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false };
  const control = new Set(added.map(({ id }) => id));
  const vocab: Record<string, number> = Object.create(null);
  for (let id = 0; id < vocabulary.size; id++) {
    if (vocabulary.has(id) && !control.has(id)) vocab[tokenText(definition, id)] = id;
  }
  return JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.map(({ id, content, special, normalized, lstrip, rstrip, singleWord }) => ({
      id,
      content,
      single_word: singleWord,
      lstrip,
      rstrip,
      normalized,
      special,
    })),
    normalizer: nfc ? { type: 'NFC' } : null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        ...patterns.map((Regex) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false })),
        byteLevel,
      ],
    },
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: whole !== undefined,
      vocab,
      merges: mergeTexts(definition),
    },
  });
}

/** A token in the visible characters of the byte alphabet. */
export function tokenText({ vocabulary }: TokenizerDefinition, id: number): string {
  const bytes = vocabulary.bytes(id);
  return toAlphabet(bytes, 0, bytes.length);
}

/** The merges in order of rank: two tokens and a space between. */
export function mergeTexts(definition: TokenizerDefinition): string[] {
  const { slots } = definition.merges;
  const ranked: [rank: number, merge: string][] = [];
  for (let at = 0; at < slots.length; at += 4) {
    if (slots[at] < 0) continue;
    ranked.push([slots[at + 2], `${tokenText(definition, slots[at])} ${tokenText(definition, slots[at + 1])}`]);
  }
  return ranked.sort(([a], [b]) => a - b).map(([, merge]) => merge);
}
