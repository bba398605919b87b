/** The slash commands of the chat: each reads or changes the session and says what it did. No terminal here. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { KaiwenError } from '../errors.js';
import type { GenerateStats } from '../generate/engine.js';
import { backendName } from './backend.js';
import type { ChatSession } from './chat-session.js';
import { readText, writeWhole } from './files.js';
import { parseSetting, SETTINGS } from './settings.js';
import { formatBytes } from './terminal.js';

export interface CommandOutcome {
  output?: string;
  exit?: boolean;
}

interface ChatCommand {
  usage: string;
  help: string;
  run(session: ChatSession, argument: string): CommandOutcome | Promise<CommandOutcome>;
}

const MAX_SAVE_BYTES = 1 << 28;

const CHAT_COMMANDS: Readonly<Record<string, ChatCommand>> = {
  help: { usage: '/help', help: 'this list', run: () => ({ output: helpText() }) },
  system: {
    usage: '/system [TEXT|off]',
    help: 'show, set or remove the system prompt',
    run: (session, text) => {
      if (text !== '') session.system = text === 'off' ? undefined : text;
      return { output: session.system ? `system prompt: ${session.system}` : 'no system prompt' };
    },
  },
  set: {
    usage: '/set [NAME VALUE|default]',
    help: 'show or change settings: /set temperature 0.2',
    run: (session, text) => {
      const changed = text === '' ? undefined : change(session, text);
      return { output: settingsText(session, changed) };
    },
  },
  adapter: {
    usage: '/adapter [NAME|off]',
    help: 'show the adapters, let one answer, or none',
    run: (session, text) => {
      if (text !== '') chooseAdapter(session, text);
      return { output: adaptersText(session) };
    },
  },
  clear: {
    usage: '/clear',
    help: 'forget the conversation',
    run: (session) => {
      session.clear();
      return { output: 'conversation cleared' };
    },
  },
  save: {
    usage: '/save FILE',
    help: 'write the conversation as JSON',
    run: async (session, text) => {
      const file = fileName(text, '/save');
      await writeWhole(file, [new TextEncoder().encode(`${JSON.stringify(session.save(), null, 2)}\n`)]);
      return { output: `${session.messages.length} messages saved to ${file}` };
    },
  },
  load: {
    usage: '/load FILE',
    help: 'go on with a saved conversation',
    run: async (session, text) => {
      const file = fileName(text, '/load');
      await session.restore(await readText(file, MAX_SAVE_BYTES), file);
      return { output: `${session.messages.length} messages loaded from ${file}` };
    },
  },
  stats: { usage: '/stats', help: 'speed and sizes', run: (session) => ({ output: statsText(session) }) },
  exit: { usage: '/exit', help: 'leave; so does Ctrl-D', run: () => ({ exit: true }) },
};

/** The command's name if the line is one: `/set top-k 20`, but not `/etc/hosts is …`. */
export function commandName(line: string): string | undefined {
  return /^\/([a-z]+)(?=\s|$)/i.exec(line)?.[1].toLowerCase();
}

/** Runs a line for which `commandName` gave a name. Throws KaiwenError 'usage' where the line makes no sense. */
export async function runChatCommand(session: ChatSession, line: string): Promise<CommandOutcome> {
  const name = commandName(line) ?? '';
  const command = Object.hasOwn(CHAT_COMMANDS, name) ? CHAT_COMMANDS[name] : undefined;
  if (!command) {
    throw new KaiwenError('usage', `There is no command /${name}.`, {
      remedy: '/help lists them; start with a space to send the line as a message.',
    });
  }
  return command.run(session, line.slice(name.length + 1).trim());
}

function helpText(): string {
  const rows = Object.values(CHAT_COMMANDS).map(({ usage, help }) => `  ${usage.padEnd(26)}${help}`);
  const names = SETTINGS.map(({ name }) => name).join(', ');
  return [
    ...rows,
    '',
    `Settings: ${names}, think (on or off), stop (a text).`,
    'A line that ends with \\ goes on in the next; """ opens and closes a message of several lines.',
    'Ctrl-C stops an answer; twice at an empty prompt it leaves.',
  ].join('\n');
}

/** Changes one setting and returns its name. */
function change(session: ChatSession, text: string): string {
  const [, typed, value] = /^(\S+)\s*([\s\S]*)$/.exec(text)!;
  const name = typed.toLowerCase().replaceAll('_', '-');
  const options = { ...session.options };
  if (value === '')
    throw new KaiwenError('usage', `/set ${name} needs a value.`, { remedy: `/set ${name} default resets it.` });
  const setting = SETTINGS.find((candidate) => candidate.name === name);
  if (setting) {
    const number = value === 'default' ? undefined : parseSetting(setting, value);
    if (number === undefined && value !== 'default') {
      throw new KaiwenError('usage', `${name} must be ${setting.range}, not ${JSON.stringify(value)}.`);
    }
    assign(options, setting.key, number);
  } else if (name === 'think') {
    const states: Readonly<Record<string, boolean | undefined>> = { on: true, off: false, default: undefined };
    if (!Object.hasOwn(states, value)) throw new KaiwenError('usage', 'think must be on, off or default.');
    if (value === 'on' && !session.model.canThink) {
      throw new KaiwenError('usage', `${session.model.name} does not know thinking.`);
    }
    assign(options, 'think', states[value]);
  } else if (name === 'stop') {
    assign(options, 'stop', value === 'default' ? undefined : [value]);
  } else {
    throw new KaiwenError('usage', `There is no setting ${name}.`, { remedy: '/set alone lists them.' });
  }
  session.options = options;
  return name;
}

function assign<T extends object, K extends keyof T>(target: T, key: K, value: T[K] | undefined): void {
  if (value === undefined) delete target[key];
  else target[key] = value;
}

function chooseAdapter(session: ChatSession, text: string): void {
  const { adapters } = session.model.info;
  const name = text === 'off' ? undefined : text;
  if (name !== undefined && !adapters.some((adapter) => adapter.name === name)) {
    throw new KaiwenError('usage', `There is no adapter ${JSON.stringify(name)}.`, {
      remedy: adapters.length > 0 ? '/adapter alone lists them.' : 'Load one with --adapter.',
    });
  }
  session.adapter = name;
}

function adaptersText({ model, adapter }: ChatSession): string {
  const { adapters } = model.info;
  if (adapters.length === 0) return 'no adapters; --adapter loads them';
  const rows = adapters.map(({ name, kind, rank }) => `${name === adapter ? '*' : ' '} ${name}  ${kind}, rank ${rank}`);
  return [...rows, `${adapter === undefined ? '*' : ' '} off  the model as it is`].join('\n');
}

/** The named setting, or all. */
function settingsText({ options, model }: ChatSession, only?: string): string {
  const rows = SETTINGS.map(({ name, key }): [string, unknown] => {
    const fallback = key === 'maxTokens' ? 'what the context leaves' : (model.defaults[key] ?? 'random');
    return [name, options[key] ?? `${fallback} (default)`];
  });
  rows.push(['stop', options.stop ? JSON.stringify(options.stop[0]) : 'none (default)']);
  if (model.canThink) rows.push(['think', options.think === undefined ? 'default' : options.think ? 'on' : 'off']);
  return rows
    .filter(([name]) => only === undefined || name === only)
    .map(([name, value]) => `  ${name.padEnd(20)}${value}`)
    .join('\n');
}

function statsText({ model, messages, last }: ChatSession): string {
  const { info } = model;
  const memory = `weights ${formatBytes(info.weightBytes)}, cache ${formatBytes(info.cacheBytes)} (${info.kv})`;
  const lines = [
    `${memory}; ${info.threads} threads, ${backendName(info)}; loaded in ${(info.loadMs / 1000).toFixed(2)} s`,
    `${messages.length} messages; context ${info.context} tokens`,
  ];
  if (last) lines.push(`last answer: ${statsLine(last.stats)}`);
  return lines.join('\n');
}

/** "prompt 35 tokens, 12 from the cache, 410 tokens/s; answer 20 tokens, 26.1 tokens/s" */
export function statsLine(stats: GenerateStats): string {
  const { promptTokens, cachedTokens, completionTokens, prefillMs, decodeMs, speculation } = stats;
  const cached = cachedTokens > 0 ? `, ${cachedTokens} from the cache` : '';
  const prompt = `prompt ${promptTokens} tokens${cached}${speed(promptTokens - cachedTokens, prefillMs)}`;
  const { drafted, accepted } = speculation;
  const guessed = drafted > 0 ? `, ${accepted} of ${drafted} guessed ahead` : '';
  return `${prompt}; answer ${completionTokens} tokens${speed(completionTokens, decodeMs)}${guessed}`;
}

function speed(tokens: number, ms: number): string {
  if (tokens <= 0 || ms <= 0) return '';
  const rate = (tokens * 1000) / ms;
  return `, ${rate.toFixed(rate < 100 ? 1 : 0)} tokens/s`;
}

function fileName(text: string, command: string): string {
  if (text === '') throw new KaiwenError('usage', `${command} needs a file name.`);
  return text.startsWith('~/') ? join(homedir(), text.slice(2)) : text;
}
