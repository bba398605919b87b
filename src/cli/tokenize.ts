/**
 * `kaiwen tokenize`: text to ids and back, a line for a line, as a stream: input of any length needs the memory
 * of its longest line.
 */
import { once } from 'node:events';
import { Command } from 'commander';
import { KaiwenError } from '../errors.js';
import { openTokenizer } from '../tokenizer/load.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';

interface Flags {
  control?: boolean;
  decode?: boolean;
}

export function tokenizeCommand(): Command {
  return new Command('tokenize')
    .description('Read JSON strings, one a line, and write JSON arrays of token ids, one a line.')
    .argument('<model>', 'model folder, GGUF file, tokenizer.json or .tiktoken file')
    .option('--control', 'parse control tokens such as <|im_end|> (with --decode: write them)')
    .option('--decode', 'the other way: arrays of ids to strings')
    .addHelpText(
      'after',
      `
Examples:
  echo '"Hello, 世界"' | kaiwen tokenize models/glossary
  kaiwen tokenize tokenizer.json --control < texts.jsonl > ids.jsonl
  kaiwen tokenize model.gguf --decode < ids.jsonl`,
    )
    .action(tokenize);
}

async function tokenize(path: string, flags: Flags): Promise<void> {
  const tokenizer = openTokenizer(path);
  for await (const line of convertLines(tokenizer, process.stdin, flags)) {
    if (!process.stdout.write(line)) await once(process.stdout, 'drain');
  }
}

/**
 * The answer to each line of `input`, newline included.
 * @throws KaiwenError 'bad_input' naming the number of the first bad line, after the answers to those before it
 */
export async function* convertLines(
  tokenizer: Tokenizer,
  input: AsyncIterable<Uint8Array>,
  { control, decode }: Flags = {},
): AsyncGenerator<string> {
  let number = 0;
  for await (const line of lines(input)) {
    number++;
    const value = parse(line);
    if (decode) yield `${JSON.stringify(tokenizer.decode(idsOf(value, number), { control }))}\n`;
    else if (typeof value === 'string') yield `${JSON.stringify(tokenizer.encode(value, { control }))}\n`;
    else throw badLine(number, 'a JSON string', 'Write each text as "…" on a line of its own.');
  }
}

function idsOf(value: unknown, number: number): number[] {
  if (Array.isArray(value) && value.every((id) => Number.isSafeInteger(id) && id >= 0)) return value as number[];
  throw badLine(number, 'a JSON array of token ids', 'Write the ids of each text as [1, 2, 3] on a line of its own.');
}

function badLine(number: number, expected: string, remedy: string): KaiwenError {
  return new KaiwenError('bad_input', `Line ${number} of standard input is not ${expected}.`, { remedy });
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Lines that end in a newline only: a JSON string may hold the other characters that count as line ends. */
async function* lines(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const characters = new TextDecoder();
  let parts: string[] = [];
  for await (const chunk of input) {
    const pieces = characters.decode(chunk, { stream: true }).split('\n');
    for (let i = 0; i < pieces.length - 1; i++) {
      parts.push(pieces[i]!);
      yield parts.join('');
      parts = [];
    }
    parts.push(pieces.at(-1)!);
  }
  const last = parts.join('') + characters.decode();
  if (last !== '') yield last;
}
