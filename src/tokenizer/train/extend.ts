/**
 * Extends a tokenizer: merges learned from a corpus behind those it has, and new control tokens, all with ids behind
 * the last one. What it encoded before it decodes as before; the ids it had mean what they meant.
 */
import { KaiwenError } from '../../errors.js';
import type { JsonObject } from '../../formats/checkpoint.js';
import { toAlphabet } from '../alphabet.js';
import { Bpe } from '../bpe.js';
import { MAX_IDS } from '../build.js';
import { definitionFromJson } from '../from-json.js';
import { TextCounter } from './count-texts.js';
import type { ControlToken } from './definition.js';
import { learnMerges, type Merge } from './learn.js';
import type { Texts } from './read-texts.js';
import { Segmentation } from './segmentation.js';
import { type CorpusOptions, type CorpusReport, checkControl, checkCorpus, pieceCounts } from './train.js';

export interface ExtendOptions extends CorpusOptions {
  /** Tokens to learn. */
  add: number;
  control: readonly ControlToken[];
}

export interface ExtendedTokenizer {
  /** Text of tokenizer.json. */
  tokenizer: string;
  /** One more than the largest id. */
  vocabSize: number;
  report: CorpusReport;
}

/**
 * @param source text of the tokenizer.json to extend; `file`: its name for messages
 * @param read adds the texts to learn from
 * Throws KaiwenError 'bad_input' for a control token that exists already, and what reading a tokenizer throws.
 */
export async function extendTokenizer(
  source: string,
  file: string,
  config: JsonObject,
  options: ExtendOptions,
  read: (texts: Texts) => Promise<void>,
): Promise<ExtendedTokenizer> {
  const definition = definitionFromJson(source, file, config);
  const root = JSON.parse(source) as { added_tokens?: unknown[]; model: { vocab: object; merges: unknown[] } };
  const { vocabulary, added, patterns, nfc } = definition;
  checkNew(options, added, vocabulary.size, file);

  const tokens = Array.from({ length: vocabulary.size }, (_, id) => {
    const bytes = vocabulary.bytes(id);
    return toAlphabet(bytes, 0, bytes.length);
  });
  const first = tokens.length;
  const report: CorpusReport = { pieces: 0, rarest: 0, learned: 0 };
  let merges: Merge[] = [];
  if (options.add > 0) {
    const counts = pieceCounts(options);
    const control = [...added, ...options.control].map(({ content }) => content);
    await read(new TextCounter(counts, { patterns, nfc, control }));
    checkCorpus(counts);
    const lengths = tokens.map((_, id) => vocabulary.bytes(id).length);
    const bpe = new Bpe(definition);
    const pieces = new Segmentation(counts, (...piece) => bpe.encode(...piece), lengths);
    const { add: count, minFrequency = 2, onProgress } = options;
    const reserved = new Set(added.map(({ id }) => id));
    merges = learnMerges(pieces, { tokens, lengths, count, minFrequency, reserved, onProgress });
    Object.assign(report, { pieces: counts.size, rarest: counts.rarest, learned: tokens.length - first });
  }
  const learned = tokens.slice(first).map((token, i) => [token, first + i] as const);
  Object.assign(root.model.vocab, Object.fromEntries(learned));
  const pairs = merges.map(({ left, right }) => [tokens[left], tokens[right]]);
  const asText = typeof root.model.merges[0] === 'string';
  root.model.merges = root.model.merges.concat(asText ? pairs.map((pair) => pair.join(' ')) : pairs);
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  const fresh = options.control.map((token, i) => ({ id: tokens.length + i, ...plain, ...token }));
  root.added_tokens = [...(root.added_tokens ?? []), ...fresh];
  return {
    tokenizer: JSON.stringify(root),
    vocabSize: tokens.length + fresh.length,
    report,
  };
}

function checkNew({ add, control }: ExtendOptions, added: readonly ControlToken[], size: number, file: string): void {
  checkControl(control);
  const known = control.find(({ content }) => added.some((token) => token.content === content));
  if (known) {
    throw new KaiwenError('bad_input', `${file} has the control token ${known.content} already.`, {
      remedy: 'Give only new ones.',
    });
  }
  if (!(add + control.length > 0 && size + add + control.length <= MAX_IDS)) {
    throw new KaiwenError('bad_input', `${add + control.length} tokens cannot be added to the ${size} of ${file}.`, {
      remedy: `Add at least one, with --add or --control, and end with at most ${MAX_IDS}.`,
    });
  }
}
