/** tokenizer.json, Hugging Face's definition of a tokenizer, with the few fields of tokenizer_config.json that matter. */
import { parseJson } from '../formats/json.js';
import type { AddedToken } from './added.js';
import { badFile, buildByteIds, buildMerges, buildVocabulary, endTokens, unsupported } from './build.js';
import type { TokenizerDefinition } from './byte-level.js';
import { PATTERNS } from './pretokenize.js';

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * @param file the file, for messages
 * @param config tokenizer_config.json, or {}
 * @throws KaiwenError 'bad_file' for contradictions, 'unsupported' for other kinds of tokenizer
 */
export function definitionFromJson(text: string, file: string, config: Fields): TokenizerDefinition {
  const root = parseObject(text, file);
  const model = root.model;
  if (!isObject(model)) throw badFile(file, 'field "model" is missing');
  checkModel(model, file);
  if (!isObject(model.vocab)) throw badFile(file, 'field "model.vocab" is not an object');
  if (!Array.isArray(model.merges)) throw badFile(file, 'field "model.merges" is not an array');

  // An id that is no number is refused where the vocabulary is built.
  const ids = new Map(Object.entries(model.vocab as Record<string, number>));
  const added = readAdded(root.added_tokens, file);
  const named = { file, ids, added };
  const vocabulary = buildVocabulary(named);
  const idOf = (value: unknown): number | undefined => {
    const content = isObject(value) ? value.content : value;
    if (typeof content !== 'string') return undefined;
    return added.find((token) => token.content === content)?.id ?? ids.get(content);
  };
  const template = templateBos(root.post_processor);
  const bosToken = idOf(config.bos_token) ?? idOf(template);
  const control = new Set(added.map(({ id }) => id));
  return {
    vocabulary,
    added,
    byteIds: buildByteIds(file, ids),
    merges: buildMerges(named, model.merges, 'model.merges'),
    whole: model.ignore_merges === true ? new Map([...ids].filter(([, id]) => !control.has(id))) : undefined,
    patterns: readPatterns(root.pre_tokenizer, file),
    nfc: readsNfc(root.normalizer, file),
    bosToken,
    eosTokens: endTokens([idOf(config.eos_token)], added),
    addBos: bosToken !== undefined && (config.add_bos_token === true || template !== undefined),
  };
}

function parseObject(text: string, file: string): Fields {
  let root: unknown;
  try {
    root = parseJson(text);
  } catch (cause) {
    throw badFile(file, `is not JSON (${(cause as Error).message.slice(0, 80)})`);
  }
  if (!isObject(root)) throw badFile(file, 'is not a JSON object');
  return root;
}

/** Refuses what is not plain byte-level BPE. */
function checkModel(model: Fields, file: string): void {
  if (model.type !== undefined && model.type !== 'BPE') {
    throw unsupported(file, `a tokenizer of the type ${JSON.stringify(model.type)}`);
  }
  for (const field of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix', 'byte_fallback']) {
    if (model[field]) throw unsupported(file, `"model.${field}"`);
  }
}

function readAdded(value: unknown, file: string): AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw badFile(file, 'field "added_tokens" is not an array');
  return value.map((token: unknown, i) => {
    if (!isObject(token) || typeof token.content !== 'string' || typeof token.id !== 'number') {
      throw badFile(file, `added_tokens[${i}] has no content or no id`);
    }
    const special = token.special === true;
    return {
      id: token.id,
      content: token.content,
      special,
      normalized: typeof token.normalized === 'boolean' ? token.normalized : !special,
      lstrip: token.lstrip === true,
      rstrip: token.rstrip === true,
      singleWord: token.single_word === true,
    };
  });
}

/** Flattens `Sequence` nodes, in normalisers and pre-tokenisers alike. */
function steps(node: unknown, key: string): Fields[] {
  if (!isObject(node)) return [];
  if (node.type !== 'Sequence') return [node];
  const inner = node[key];
  return Array.isArray(inner) ? inner.flatMap((step) => steps(step, key)) : [];
}

function readsNfc(node: unknown, file: string): boolean {
  const forms = steps(node, 'normalizers');
  const other = forms.find(({ type }) => type !== 'NFC');
  if (other) throw unsupported(file, `the normaliser ${JSON.stringify(other.type)}`);
  return forms.length > 0;
}

/** The patterns that cut text, in order; ByteLevel must come last. */
function readPatterns(node: unknown, file: string): string[] {
  const all = steps(node, 'pretokenizers');
  const last = all.at(-1);
  if (last?.type !== 'ByteLevel') throw unsupported(file, 'a pre-tokeniser that does not end in ByteLevel');
  if (last.add_prefix_space === true) throw unsupported(file, '"add_prefix_space"');
  const patterns = all.slice(0, -1).map((step) => {
    if (step.type === 'Digits') return step.individual_digits === true ? '\\p{N}' : '\\p{N}+';
    const source = isObject(step.pattern) ? (step.pattern.Regex ?? step.pattern.String) : undefined;
    const plain = step.type === 'Split' && step.behavior === 'Isolated' && step.invert !== true;
    if (!plain || typeof source !== 'string') {
      throw unsupported(file, `the pre-tokeniser ${JSON.stringify(step).slice(0, 120)}`);
    }
    const literal = isObject(step.pattern) && step.pattern.Regex === undefined;
    return literal ? source.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&') : source;
  });
  if (last.use_regex !== false) patterns.push(PATTERNS.gpt2.pattern);
  return patterns;
}

/** The token that a TemplateProcessing post-processor puts before a text, if it does. */
function templateBos(node: unknown): string | undefined {
  for (const step of steps(node, 'processors')) {
    if (step.type !== 'TemplateProcessing' || !Array.isArray(step.single)) continue;
    const first: unknown = step.single[0];
    const token = isObject(first) ? first.SpecialToken : undefined;
    if (isObject(token) && typeof token.id === 'string') return token.id;
  }
  return undefined;
}
