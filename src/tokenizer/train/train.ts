/** Trains a tokenizer from nothing: count the pieces of a corpus, learn merges, write the definition. */
import { KaiwenError } from '../../errors.js';
import type { JsonObject } from '../../formats/checkpoint.js';
import { tokenizerJson } from '../../formats/tokenizer-json.js';
import { BYTE_CHARS } from '../alphabet.js';
import { Bpe } from '../bpe.js';
import { MAX_IDS } from '../build.js';
import { MergeTable } from '../merges.js';
import { PATTERNS, type PatternName } from '../pretokenize.js';
import { TextCounter } from './count-texts.js';
import { type ControlToken, define, tokenizerConfig } from './definition.js';
import { learnMerges } from './learn.js';
import { PieceCounts } from './piece-counts.js';
import { QWEN_CONTROL_TOKENS, QWEN_TEMPLATE } from './qwen-template.js';
import type { Texts } from './read-texts.js';
import { Segmentation } from './segmentation.js';

export interface CorpusOptions {
  /** Pairs seen less often never become a token. Default 2. */
  minFrequency?: number;
  /** Bytes of memory that counting and learning may take, roughly. Default 1 GiB. */
  memory?: number;
  /** Tokens learned so far of those wanted. */
  onProgress?: (learned: number, total: number) => void;
}

export interface TrainOptions extends CorpusOptions {
  /** Ids in all: 256 bytes, learned tokens, control tokens. */
  vocabSize: number;
  /** Default: Qwen's. */
  control?: readonly ControlToken[];
  /** Default: Qwen's ChatML with tools and thinking. */
  template?: string;
  /** How text is cut into pieces. Default `qwen2`, which Qwen2 and Qwen3 use. */
  pattern?: PatternName;
}

/** What learning found out about its corpus. */
export interface CorpusReport {
  /** Distinct pieces whose merges were learned. */
  pieces: number;
  /** Rarer pieces than this were counted in parts or not at all, for want of memory; 0: all were counted. */
  rarest: number;
  /** Tokens learned; fewer than asked for where the corpus has no more pairs. */
  learned: number;
}

export interface TrainedTokenizer {
  /** Text of tokenizer.json. */
  tokenizer: string;
  /** tokenizer_config.json. */
  config: JsonObject;
  vocabSize: number;
  report: CorpusReport;
}

/** Learning needs about so many bytes for each byte of distinct pieces. */
const BYTES_PER_PIECE_BYTE = 20;

export function pieceCounts({ memory = 2 ** 30 }: CorpusOptions): PieceCounts {
  return new PieceCounts(memory / BYTES_PER_PIECE_BYTE);
}

/**
 * Trains on the texts that `read` adds. The same texts give the same tokenizer.
 * Throws KaiwenError 'bad_input' for a vocabulary that holds not even the bytes, or for a corpus without text.
 */
export async function trainTokenizer(
  options: TrainOptions,
  read: (texts: Texts) => Promise<void>,
): Promise<TrainedTokenizer> {
  const { vocabSize, control = QWEN_CONTROL_TOKENS, template = QWEN_TEMPLATE, pattern = 'qwen2' } = options;
  checkControl(control);
  const smallest = 256 + control.length;
  if (!(vocabSize >= smallest && vocabSize <= MAX_IDS)) {
    throw new KaiwenError('bad_input', `A vocabulary of ${vocabSize} ids cannot be trained.`, {
      remedy: `It needs at least ${smallest}, for 256 bytes and ${control.length} control tokens, and at most ${MAX_IDS}.`,
    });
  }
  const counts = pieceCounts(options);
  const patterns = [PATTERNS[pattern].pattern];
  await read(new TextCounter(counts, { patterns, nfc: true, control: control.map(({ content }) => content) }));
  checkCorpus(counts);

  // Ids of bytes follow the alphabet, as in every vocabulary of the family.
  const tokens = [...BYTE_CHARS].sort();
  const byteIds = Int32Array.from(BYTE_CHARS, (char) => tokens.indexOf(char));
  const lengths = tokens.map(() => 1);
  const bytes = new Bpe({ byteIds, merges: new MergeTable(0) });
  const pieces = new Segmentation(counts, (...piece) => bytes.encode(...piece), lengths);
  const { minFrequency = 2, onProgress } = options;
  const merges = learnMerges(pieces, { tokens, lengths, count: vocabSize - smallest, minFrequency, onProgress });
  return {
    tokenizer: tokenizerJson(define(tokens, byteIds, merges, control, patterns)),
    config: tokenizerConfig(control, template),
    vocabSize: tokens.length + control.length,
    report: { pieces: counts.size, rarest: counts.rarest, learned: tokens.length - 256 },
  };
}

export function checkCorpus(counts: PieceCounts): void {
  if (counts.size > 0) return;
  throw new KaiwenError('bad_input', 'The files hold no text to learn from.', {
    remedy: 'For JSONL, name the fields that hold text with --field.',
  });
}

export function checkControl(control: readonly ControlToken[]): void {
  const contents = control.map(({ content }) => content);
  const bad = contents.find((content, i) => content === '' || contents.indexOf(content) !== i);
  if (bad === undefined) return;
  throw new KaiwenError('bad_input', `The control token ${JSON.stringify(bad)} is empty or given twice.`, {
    remedy: 'Give every control token once.',
  });
}
