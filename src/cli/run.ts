/** `kaiwen run`: one answer to a prompt, or a chat where there is none. */
import { text as readAll } from 'node:stream/consumers';
import { Command } from 'commander';
import { KaiwenError } from '../errors.js';
import type { AnswerEnd, ChatMessage, ChatOptions, Model, TextEvent } from '../generate/api.js';
import type { GenerateStats } from '../generate/engine.js';
import { AnswerPrinter } from './answer-printer.js';
import { backendName } from './backend.js';
import { statsLine } from './chat-commands.js';
import {
  addAdapterOption,
  addEngineOptions,
  addSamplingOptions,
  addSpeculationOption,
  type EngineFlags,
  engineFrom,
  loadModel,
  type SamplingFlags,
  samplingFrom,
} from './options.js';
import { colorsFor } from './terminal.js';

interface Flags extends EngineFlags, SamplingFlags {
  system?: string;
  raw?: boolean;
  think?: boolean;
  stats?: boolean;
  json?: boolean;
}

export function runCommand(): Command {
  const command = new Command('run')
    .description('Answer a prompt, or chat in the terminal if there is none. Piped standard input is a prompt.')
    .argument('<model>', 'Hugging Face folder or GGUF file')
    .argument('[prompt]', 'what to answer; - reads standard input')
    .option('--system <text>', 'system prompt')
    .option('--raw', 'continue the prompt as plain text, without the chat template')
    .option('--think', 'let the model think first, where it can')
    .option('--no-think', 'answer without thinking')
    .option('--stats', 'show tokens and speed after an answer')
    .option('--json', 'print one JSON object instead of the text');
  addAdapterOption(command, 'LoRA adapter (path or name=path); may be given again: the first answers');
  addSamplingOptions(addSpeculationOption(addEngineOptions(command)));
  return command
    .addHelpText(
      'after',
      `
The answer goes to standard output; thinking, notices and statistics go to standard error.

Examples:
  kaiwen run models/mini
  kaiwen run model.gguf "Name three rivers." --greedy --max-tokens 100
  kaiwen run model.gguf --adapter ./shop-adapter "When do you open?"
  git diff | kaiwen run model.gguf --system "Write a commit message." --no-think
  kaiwen run model.gguf "Once upon a time" --raw --seed 7 --json`,
    )
    .action(run);
}

async function run(path: string, argument: string | undefined, flags: Flags): Promise<void> {
  checkFlags(flags);
  const prompt = await readPrompt(argument);
  if (prompt === undefined && (flags.json || flags.raw)) {
    throw new KaiwenError('usage', `${flags.json ? '--json' : '--raw'} needs a prompt.`, {
      remedy: 'Give one as an argument or on standard input.',
    });
  }
  await using model = await loadModel(path, engineFrom(flags));
  const settings = { ...samplingFrom(flags), think: flags.think };
  const adapter = flags.adapter?.[0].name;
  const options: ChatOptions = { ...settings, adapter };
  if (flags.think && !model.canThink) {
    throw new KaiwenError('usage', `${model.name} does not know thinking.`, { remedy: 'Leave --think out.' });
  }
  if (prompt === undefined) {
    const [{ ChatSession }, { runChat }] = await Promise.all([import('./chat-session.js'), import('./chat.js')]);
    process.exitCode = await runChat(
      new ChatSession(model, { system: flags.system, options: settings, adapter }),
      flags,
    );
    return;
  }
  const reason = flags.json
    ? await printJson(model, prompt, options, flags)
    : await printAnswer(model, prompt, options, flags);
  if (reason === 'aborted') process.exitCode = 130;
}

function checkFlags({ raw, system, think }: Flags): void {
  if (!raw) return;
  const other = system !== undefined ? '--system' : think !== undefined ? '--think' : undefined;
  if (other) {
    throw new KaiwenError('usage', `${other} has no meaning with --raw, which uses no chat template.`, {
      remedy: 'Leave one of them out.',
    });
  }
}

/** The argument, else piped input without its last newline; undefined means: chat. */
async function readPrompt(argument: string | undefined): Promise<string | undefined> {
  const piped = argument === undefined || argument === '-';
  if (argument === undefined && process.stdin.isTTY) return undefined;
  const prompt = piped ? (await readAll(process.stdin)).replace(/\r?\n$/, '') : argument;
  if (prompt === '') {
    throw new KaiwenError('usage', 'The prompt is empty.', {
      remedy: 'Give a text as an argument or on standard input; a chat needs a terminal.',
    });
  }
  return prompt;
}

function events(model: Model, prompt: string, options: ChatOptions, flags: Flags): AsyncIterable<TextEvent> {
  // The first Ctrl-C stops the answer, the second ends the process.
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  const signal = controller.signal;
  if (flags.raw) return model.generate(prompt, { ...options, signal });
  const system: ChatMessage[] = flags.system ? [{ role: 'system', content: flags.system }] : [];
  return model.chat([...system, { role: 'user', content: prompt }], { ...options, signal });
}

async function printAnswer(model: Model, prompt: string, options: ChatOptions, flags: Flags): Promise<AnswerEnd> {
  const printer = new AnswerPrinter({ text: process.stdout, thinking: process.stderr, notices: process.stderr });
  for (const notice of model.info.notices) await printer.notice(notice);
  let reason: AnswerEnd = 'stop';
  let stats: GenerateStats | undefined;
  for await (const event of events(model, prompt, options, flags)) {
    if (event.type === 'done') ({ reason, stats } = event);
    await printer.show(event);
  }
  if (flags.stats && stats) {
    const line = `${statsLine(stats)}; ${backendName(model.info)}`;
    process.stderr.write(`${colorsFor(process.stderr).dim(line)}\n`);
  }
  return reason;
}

/** One object: text, thinking, finish_reason, usage and timings, native (instruction set or null), notices. */
async function printJson(model: Model, prompt: string, options: ChatOptions, flags: Flags): Promise<AnswerEnd> {
  let text = '';
  let thinking: string | undefined;
  let reason: AnswerEnd = 'stop';
  let stats: GenerateStats | undefined;
  const notices = [...model.info.notices];
  for await (const event of events(model, prompt, options, flags)) {
    if (event.type === 'text') text += event.text;
    else if (event.type === 'thinking') thinking = (thinking ?? '') + event.text;
    else if (event.type === 'notice') notices.push(event.message);
    else if (event.type === 'done') ({ reason, stats } = event);
  }
  const usage = stats && {
    prompt_tokens: stats.promptTokens,
    cached_tokens: stats.cachedTokens,
    completion_tokens: stats.completionTokens,
  };
  const timings = stats && { prefill_ms: stats.prefillMs, decode_ms: stats.decodeMs };
  const { native } = model.info;
  console.log(
    JSON.stringify({ model: model.name, text, thinking, finish_reason: reason, usage, timings, native, notices }),
  );
  return reason;
}
