/** What was learned as a tokenizer's definition, and the fields of tokenizer_config.json that go with it. */
import type { JsonObject } from '../../formats/checkpoint.js';
import type { AddedToken } from '../added.js';
import type { TokenizerDefinition } from '../byte-level.js';
import { MergeTable } from '../merges.js';
import { Vocabulary } from '../vocabulary.js';
import type { Merge } from './learn.js';

export interface ControlToken {
  content: string;
  /** Left out of decoded text. */
  special: boolean;
}

export function addedToken(id: number, { content, special }: ControlToken): AddedToken {
  return { id, content, special, normalized: false, lstrip: false, rstrip: false, singleWord: false };
}

/** Byte-level BPE over `tokens` (by id, in the byte alphabet), with the control tokens behind them. */
export function define(
  tokens: readonly string[],
  byteIds: Int32Array,
  merges: readonly Merge[],
  control: readonly ControlToken[],
  patterns: readonly string[],
): TokenizerDefinition {
  const vocabulary = new Vocabulary(tokens.length + control.length);
  for (const [id, token] of tokens.entries()) vocabulary.setAlphabet(id, token);
  const added = control.map((token, i) => addedToken(tokens.length + i, token));
  for (const { id, content } of added) vocabulary.setText(id, content);
  const table = new MergeTable(merges.length);
  for (const [rank, { left, right, product }] of merges.entries()) table.add(left, right, rank, product);
  const eosTokens = added.filter(({ content }) => content === '<|im_end|>').map(({ id }) => id);
  return { vocabulary, byteIds, merges: table, added, patterns, nfc: true, eosTokens, addBos: false };
}

/** tokenizer_config.json: which control tokens end an answer and pad, and the chat template. */
export function tokenizerConfig(control: readonly ControlToken[], template: string): JsonObject {
  const named = (content: string) => (control.some((token) => token.content === content) ? content : null);
  const end = named('<|endoftext|>');
  return {
    tokenizer_class: 'Qwen2Tokenizer',
    add_bos_token: false,
    add_prefix_space: false,
    bos_token: null,
    eos_token: named('<|im_end|>') ?? end,
    pad_token: end,
    unk_token: null,
    clean_up_tokenization_spaces: false,
    split_special_tokens: false,
    errors: 'replace',
    additional_special_tokens: control
      .filter(({ content, special }) => special && content !== end)
      .map(({ content }) => content),
    chat_template: template,
  };
}
