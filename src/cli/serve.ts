/** `kaiwen serve`: a model behind an OpenAI-compatible HTTP interface, until a signal stops it. */
import { Command, Option } from 'commander';
import { listen, type RunningServer } from '../server/listen.js';
import { showNotices } from './backend.js';
import {
  addAdapterOption,
  addEngineOptions,
  addSpeculationOption,
  type EngineFlags,
  engineFrom,
  loadModel,
  wholeNumber,
} from './options.js';

interface ServeFlags extends EngineFlags {
  host: string;
  port: number;
  apiKey?: string;
  name?: string;
  cors?: string[];
  parallel?: number;
  maxRequests: number;
  grace: number;
  quiet?: boolean;
}

const EXAMPLES = `
Examples:
  kaiwen serve models/mini
  kaiwen serve model.gguf --port 9000 --context 16384
  kaiwen serve model.gguf --adapter shop=./shop-adapter --adapter ./poet
  KAIWEN_API_KEY=secret kaiwen serve model.gguf --host 0.0.0.0

Each of the answers computed at once has a cache of --context tokens. Memory that a cache's tokens do
not fill stays free.

Every field of the interface: docs/api.md.`;

export function serveCommand(): Command {
  const command = new Command('serve')
    .description('Answer over HTTP with an OpenAI-compatible interface.')
    .argument('<model>', 'Hugging Face folder or GGUF file')
    .option('--host <host>', 'address to listen on; one that others reach needs an API key', '127.0.0.1')
    .option('--port <n>', 'port to listen on; 0 takes a free one', wholeNumber(0, 65_535), 8080)
    .addOption(new Option('--api-key <key>', 'key that clients must send').env('KAIWEN_API_KEY'))
    .option('--name <name>', "the model's name for clients (default: its file's)")
    .option('--cors <origin>', 'let web pages of this origin call; may be given again', collect)
    .option(
      '--parallel <n>',
      'answers computed at once (default: 4, or fewer where memory is short)',
      wholeNumber(1, 16),
    )
    .option('--max-requests <n>', 'requests that may run or wait at once', wholeNumber(1, 100_000), 64)
    .option('--grace <seconds>', 'how long running answers may take to finish on a stop', wholeNumber(0, 86_400), 30)
    .option('--quiet', 'no line on standard error for each request');
  addAdapterOption(command, 'LoRA adapter that clients ask for by its name (name=path); may be given again');
  return addSpeculationOption(addEngineOptions(command)).addHelpText('after', EXAMPLES).action(serve);
}

async function serve(path: string, flags: ServeFlags): Promise<void> {
  const model = await loadModel(path, { ...engineFrom(flags), sequences: flags.parallel ?? 'fitting' });
  try {
    const { host, port, name, cors, maxRequests } = flags;
    // An empty variable in the environment means no key, not an empty one.
    const apiKey = flags.apiKey === '' ? undefined : flags.apiKey;
    const log = (line: string): void => {
      if (!flags.quiet || line.startsWith('error')) process.stderr.write(`${new Date().toISOString()} ${line}\n`);
    };
    const server = await listen(model, { host, port, apiKey, name, cors, maxRequests, log });
    showNotices(model.info);
    process.stdout.write(greeting(server, name ?? model.name, apiKey !== undefined));
    for (const adapter of model.info.adapters)
      process.stdout.write(`  "model": "${adapter.name}" asks for the adapter\n`);
    await untilSignal();
    const { running } = server;
    process.stderr.write(
      running > 0 ? `stopping; requests to finish: ${running} (again: stop at once)\n` : 'stopping\n',
    );
    void untilSignal().then(() => process.exit(1));
    await server.close(flags.grace * 1000);
  } finally {
    await model.close();
  }
  // The handlers of a second signal would keep the process.
  process.exit(0);
}

function greeting({ url }: RunningServer, name: string, withKey: boolean): string {
  const key = withKey ? ` -H "authorization: Bearer $KAIWEN_API_KEY"` : '';
  const body = JSON.stringify({ messages: [{ role: 'user', content: 'Hello!' }] });
  return `${name} answers at ${url}/v1 (Ctrl-C stops it). Try:
  curl ${url}/v1/chat/completions${key} -H "content-type: application/json" -d '${body}'
`;
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      process.off('SIGINT', done);
      process.off('SIGTERM', done);
      resolve();
    };
    process.once('SIGINT', done);
    process.once('SIGTERM', done);
  });
}

function collect(origin: string, before: string[] = []): string[] {
  return [...before, origin];
}
