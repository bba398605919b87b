/**
 * `kaiwen perplexity`: exp of the mean negative log-likelihood of a text's tokens. A plain text is cut into windows
 * that do not overlap, each as long as the context allows; the first token of a window has nothing before it and is
 * not scored. In a .jsonl file every line is a document of its own, cut to the same length, scored the same way.
 */
import { Command } from 'commander';
import { KaiwenError } from '../errors.js';
import { documentStart, scorePiece, windows } from '../evaluate/perplexity.js';
import type { Engine } from '../generate/engine.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { showNotices } from './backend.js';
import { readText } from './files.js';
import { addEngineOptions, type EngineFlags, engineFrom, loadModel, wholeNumber } from './options.js';
import { startProgress } from './terminal.js';

interface Flags extends EngineFlags {
  file: string;
  length?: number;
  json?: boolean;
}

export interface PerplexityResult {
  perplexity: number;
  /** Mean negative log-likelihood of a scored token, natural logarithm. */
  nllPerToken: number;
  /** Tokens scored. */
  tokens: number;
  /** Windows of a text, or documents. */
  pieces: number;
}

const MAX_FILE_BYTES = 1 << 29;

export function perplexityCommand(): Command {
  const command = new Command('perplexity')
    .description('Measure how well a model predicts a text: exp of the mean negative log-likelihood of its tokens.')
    .argument('<model>', 'Hugging Face folder or GGUF file')
    .requiredOption(
      '--file <path>',
      'the text; with the ending .jsonl one document a line: {"text": …, "control"?: true}',
    )
    .option('--length <n>', 'tokens of a window, or of a document at most (default: the context)', wholeNumber(2))
    .option('--json', 'print the result as one JSON object');
  return addEngineOptions(command)
    .addHelpText(
      'after',
      `
Method: windows do not overlap, the first token of each is not scored. "control": true in a document
turns text such as <|im_end|> into control tokens.

Examples:
  kaiwen perplexity model.gguf --file book.txt --length 512
  kaiwen perplexity models/glossary --file held-out.jsonl --length 128 --json`,
    )
    .action(perplexity);
}

async function perplexity(path: string, flags: Flags): Promise<void> {
  const text = await readText(flags.file, MAX_FILE_BYTES);
  const documents = flags.file.endsWith('.jsonl') ? parseDocuments(text, flags.file) : undefined;
  await using model = await loadModel(path, engineFrom(flags));
  showNotices(model.info);
  const { context, native } = model.info;
  if (flags.length !== undefined && flags.length > context) {
    throw new KaiwenError('usage', `--length ${flags.length} is longer than the context of ${context} tokens.`, {
      remedy: 'Give a smaller --length or a larger --context.',
    });
  }
  const length = flags.length ?? context;
  const pieces = documents
    ? documentPieces(documents, model.tokenizer, length)
    : windows(text, false, model.tokenizer, length);
  const result = await scorePieces(model.engine, pieces, flags.file);
  if (flags.json) {
    console.log(JSON.stringify({ model: model.name, file: flags.file, length, native, ...result }));
  } else {
    const { perplexity: value, nllPerToken, tokens, pieces: count } = result;
    console.log(`perplexity ${value.toFixed(4)}`);
    console.log(`${nllPerToken.toFixed(5)} nats a token over ${tokens} tokens in ${count} pieces of at most ${length}`);
  }
}

/** Scores each piece by itself; pieces of one token have nothing to score. */
async function scorePieces(engine: Engine, pieces: number[][], file: string): Promise<PerplexityResult> {
  const progress = startProgress('scoring');
  let sum = 0;
  let tokens = 0;
  let count = 0;
  try {
    for (const [index, piece] of pieces.entries()) {
      progress.update(index, pieces.length);
      if (piece.length < 2) continue;
      const score = await scorePiece(engine, piece);
      sum += score.nll;
      tokens += score.tokens;
      count++;
    }
  } finally {
    progress.end();
  }
  if (tokens === 0) {
    throw new KaiwenError('bad_input', `${file} holds no text of two tokens or more.`, {
      remedy: 'Give a longer text.',
    });
  }
  const nllPerToken = sum / tokens;
  if (!Number.isFinite(nllPerToken)) {
    throw new KaiwenError('bad_file', `The model's probabilities of the tokens of ${file} are not numbers.`, {
      remedy: 'Its weights are damaged or overflow: check the model, or try another quantisation of it.',
    });
  }
  return { perplexity: Math.exp(nllPerToken), nllPerToken, tokens, pieces: count };
}

function documentPieces(documents: Document[], tokenizer: Tokenizer, length: number): number[][] {
  const bos = documentStart(tokenizer);
  return documents.map(({ text, control }) => [...bos, ...tokenizer.encode(text, { control })].slice(0, length));
}

interface Document {
  text: string;
  control: boolean;
}

/** Throws KaiwenError 'bad_input' with the line's number. */
export function parseDocuments(source: string, file: string): Document[] {
  const documents: Document[] = [];
  for (const [index, line] of source.split('\n').entries()) {
    if (line.trim() !== '') documents.push(parseDocument(line, `${file}: line ${index + 1}`));
  }
  return documents;
}

function parseDocument(line: string, where: string): Document {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new KaiwenError('bad_input', `${where} is not JSON.`, { remedy: 'Write one JSON object a line.', cause });
  }
  const { text, control = false } = (value ?? {}) as { text?: unknown; control?: unknown };
  if (typeof text !== 'string' || typeof control !== 'boolean') {
    throw new KaiwenError('bad_input', `${where} is no document.`, {
      remedy: 'Write {"text": "…"}, with "control": true if control tokens should be recognised.',
    });
  }
  return { text, control };
}
