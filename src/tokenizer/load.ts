/** Opens a tokenizer from wherever it lies: this is the one file here that touches the disk. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inFile, KaiwenError } from '../errors.js';
import type { JsonObject, TokenizerSource } from '../formats/checkpoint.js';
import { openCheckpoint } from '../formats/open.js';
import { badFile } from './build.js';
import { ByteLevelTokenizer, type TokenizerDefinition } from './byte-level.js';
import { definitionFromGguf } from './from-gguf.js';
import { definitionFromJson } from './from-json.js';
import { definitionFromTiktoken } from './from-tiktoken.js';
import type { Tokenizer } from './tokenizer.js';

/** The largest vocabularies take some 30 MB; a file beyond this is something else. */
const MAX_FILE_BYTES = 256 << 20;

/**
 * The tokenizer of a checkpoint.
 * @throws KaiwenError 'bad_file' (damaged, contradictory), 'unsupported' (not byte-level BPE), 'not_found', 'io'
 */
export function loadTokenizer(source: TokenizerSource): Tokenizer {
  return new ByteLevelTokenizer(readDefinition(source));
}

/** What the source defines, before it is made ready to encode. */
export function readDefinition(source: TokenizerSource): TokenizerDefinition {
  if (source.kind === 'gguf') return definitionFromGguf(source.metadata);
  const text = readTokenizerText(source.path);
  const file = source.path;
  if (source.kind === 'tiktoken') return definitionFromTiktoken(text, file);
  return definitionFromJson(text, file, source.config);
}

/**
 * The tokenizer at a path: a tokenizer.json, a .tiktoken file, a folder that holds one of them, or a GGUF file.
 * @throws KaiwenError as loadTokenizer does
 */
export function openTokenizer(path: string): Tokenizer {
  const source = tokenizerSource(path);
  return inFile(path, () => loadTokenizer(source));
}

/** Where openTokenizer finds the tokenizer of a path. */
export function tokenizerSource(path: string): TokenizerSource {
  if (stat(path)?.isDirectory()) {
    const file = ['tokenizer.json', 'qwen.tiktoken'].map((name) => join(path, name)).find((name) => stat(name));
    if (file !== undefined) return tokenizerSource(file);
    if (readdirSync(path).some((name) => name.endsWith('.gguf'))) return checkpointSource(path);
    throw new KaiwenError('not_found', `${path}: there is no tokenizer.json and no qwen.tiktoken in this folder.`, {
      remedy: 'Give the path of a tokenizer.json, a .tiktoken file, a model folder or a GGUF file.',
    });
  }
  if (path.endsWith('.tiktoken')) return { kind: 'tiktoken', path, config: configBeside(path) };
  if (path.endsWith('.json')) return { kind: 'tokenizer.json', path, config: configBeside(path) };
  return checkpointSource(path);
}

function checkpointSource(path: string): TokenizerSource {
  using checkpoint = openCheckpoint(path);
  if (checkpoint.tokenizer) return checkpoint.tokenizer;
  throw new KaiwenError('not_found', `${path}: the file holds no tokenizer.`, {
    remedy: 'Give the path of a tokenizer.json or of a model that has one.',
  });
}

/**
 * Checks that a model has an embedding row for every id of its tokenizer.
 * @param rows rows of the embedding (`vocab_size`)
 * @throws KaiwenError 'bad_file'
 */
export function checkVocabulary(tokenizer: Tokenizer, rows: number): void {
  if (tokenizer.vocabSize <= rows) return;
  throw new KaiwenError(
    'bad_file',
    `the tokenizer has ids up to ${tokenizer.vocabSize - 1}, the model's embedding only ${rows} rows.`,
    { remedy: 'The tokenizer belongs to another model; take both from the same place.' },
  );
}

function configBeside(path: string): JsonObject {
  const config = join(dirname(path), 'tokenizer_config.json');
  if (!stat(config)) return {};
  try {
    const value: unknown = JSON.parse(readTokenizerText(config));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch (cause) {
    if (cause instanceof KaiwenError) throw cause;
  }
  throw badFile(config, 'is not a JSON object');
}

const stat = (path: string) => statSync(path, { throwIfNoEntry: false });

/** Throws KaiwenError 'not_found', 'io', or 'bad_file' for a file that is too large. */
export function readTokenizerText(path: string): string {
  const found = stat(path);
  if (!found) {
    throw new KaiwenError('not_found', `${path}: there is no such file.`, { remedy: 'Check the path.' });
  }
  if (found.size > MAX_FILE_BYTES) throw badFile(path, `has ${found.size} bytes, too many for a tokenizer`);
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new KaiwenError('io', `${path}: cannot be read (${(cause as Error).message}).`, {
      remedy: 'Check the permissions of the file.',
      cause,
    });
  }
}
