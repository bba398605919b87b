#!/usr/bin/env node
/**
 * The command `kaiwen`: finds the subcommand, imports only its module, and turns every failure into one line on
 * standard error and an exit code: 0 done, 1 failed, 2 wrong usage, 130 ended by Ctrl-C.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { describeError, KaiwenError } from '../errors.js';

interface Entry {
  summary: string;
  load(): Promise<Command>;
}

const COMMANDS: Readonly<Record<string, Entry>> = {
  run: {
    summary: 'answer a prompt, or chat in the terminal',
    load: async () => (await import('./run.js')).runCommand(),
  },
  serve: {
    summary: 'answer over HTTP in four dialects, and show a chat page',
    load: async () => (await import('./serve.js')).serveCommand(),
  },
  key: {
    summary: 'make an API key for a server',
    load: async () => (await import('./key.js')).keyCommand(),
  },
  train: {
    summary: 'train a model of your own, from nothing or from one that is there',
    load: async () => (await import('./train.js')).trainCommand(),
  },
  inspect: {
    summary: 'say what a model file holds and how much memory it needs',
    load: async () => (await import('./inspect.js')).inspectCommand(),
  },
  convert: {
    summary: 'write a model as GGUF or safetensors, quantised if asked',
    load: async () => (await import('./convert.js')).convertCommand(),
  },
  merge: {
    summary: 'fold a LoRA adapter into its base model',
    load: async () => (await import('./merge.js')).mergeCommand(),
  },
  tokenize: {
    summary: 'turn lines of text into token ids',
    load: async () => (await import('./tokenize.js')).tokenizeCommand(),
  },
  tokenizer: {
    summary: 'train a tokenizer, or extend one',
    load: async () => (await import('./tokenizer.js')).tokenizerCommand(),
  },
  data: {
    summary: 'make training data of files, check it and look at it',
    load: async () => (await import('./data.js')).dataCommand(),
  },
  perplexity: {
    summary: 'measure how well a model predicts a text',
    load: async () => (await import('./perplexity.js')).perplexityCommand(),
  },
  eval: {
    summary: 'measure how well a model answers, alone or beside another',
    load: async () => (await import('./eval.js')).evalCommand(),
  },
  bench: {
    summary: 'time prefill and decoding',
    load: async () => (await import('./bench.js')).benchCommand(),
  },
  logits: {
    summary: 'write the logits of given token ids to a file',
    load: async () => (await import('./logits.js')).logitsCommand(),
  },
};

const EXAMPLES = `
Examples:
  kaiwen run models/mini                         chat in the terminal
  kaiwen run model.gguf "Why is the sky blue?"   one answer
  kaiwen serve model.gguf --port 8080            a server and its chat page
  kaiwen convert folder out.gguf --type q4_k_m   quantise
  kaiwen help run                                everything about one command

MODEL is a Hugging Face folder (config.json and safetensors) or a GGUF file.
Exit codes: 0 done, 1 failed, 2 wrong usage. KAIWEN_DEBUG=1 adds the stack to an error.`;

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

/** The program with the one subcommand that `args` asks for, and only names and summaries of the others. */
async function buildProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('kaiwen')
    .description('Run, serve and measure Qwen models: one program, no Python, no native build.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  const words = args.filter((arg) => !arg.startsWith('-'));
  const wanted = words[0] === 'help' ? words[1] : words[0];
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    if (name === wanted) {
      const command = await load();
      program.addCommand(command.summary(summary).copyInheritedSettings(program));
      for (const inner of command.commands) inner.copyInheritedSettings(command);
    } else {
      program.command(`${name}`).summary(summary);
    }
  }
  return program;
}

/** Says on standard error what went wrong and returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    // Help shown because no command was given is already on standard error.
    if (error.code !== 'commander.help') complain(usageLine(error));
    return 2;
  }
  if (error instanceof KaiwenError && error.code === 'aborted') return 130;
  complain(`${describeError(error)}${adviceOn(error)}`);
  if (process.env.KAIWEN_DEBUG === '1' && error instanceof Error) console.error(error.stack);
  return error instanceof KaiwenError && error.code === 'usage' ? 2 : 1;
}

/** What is not said in our own words comes from the system, or is a fault of ours. */
function adviceOn(error: unknown): string {
  if (error instanceof KaiwenError || !(error instanceof Error)) return '';
  if ('syscall' in error) return ' Check the path, its permissions and the room on its disk.';
  return ' This is a fault in Kaiwen; KAIWEN_DEBUG=1 shows where, for a report of it.';
}

function usageLine(error: CommanderError): string {
  const line = describeError(error).replace(/^error: /, '');
  return `${line}${/[.?!)]$/.test(line) ? '' : '.'} See --help.`;
}

function complain(line: string): void {
  process.stderr.write(`kaiwen: ${line}\n`);
}

/** Ends at once, whatever workers still run, after what was written has left. */
function exit(code: number): void {
  process.stdout.write('', () => process.exit(code));
}

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  complain(`Cannot write to standard output: ${describeError(error)}`);
  process.exit(1);
});
// Nobody can be told.
process.stderr.on('error', () => process.exit(1));
process.on('uncaughtException', (error) => exit(report(error)));

const args = process.argv.slice(2);
try {
  const program = await buildProgram(args);
  await program.parseAsync(args, { from: 'user' });
} catch (error) {
  exit(report(error));
}
