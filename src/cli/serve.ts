/** `kaiwen serve`: models behind HTTP, until a signal stops it. */
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { describeError, KaiwenError } from '../errors.js';
import type { EngineOptions } from '../generate/engine.js';
import { type ModelHub, type ServedModel, singleModel } from '../server/hub.js';
import { KeyFile } from '../server/keys-file.js';
import { listen, type RunningServer } from '../server/listen.js';
import { jsonLog, type Log, textLog } from '../server/logs.js';
import { ModelPool } from '../server/model-pool.js';
import { isModelsFile, parseBytes, readModelsFile } from '../server/models-file.js';
import type { TlsFiles } from '../server/tls.js';
import { openTracing } from '../server/tracing.js';
import { UsageFile } from '../server/usage-file.js';
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
  port?: number;
  apiKey?: string;
  keys?: string;
  data?: string;
  timeout: number;
  logFormat: 'text' | 'json';
  logText?: boolean;
  name?: string;
  cors?: string[];
  parallel?: number;
  cache?: number;
  spill?: string;
  spillSize: number;
  maxRequests: number;
  grace: number;
  tlsCert?: string;
  tlsKey?: string;
  quiet?: boolean;
}

const FIRST_PORT = 8080;

const EXAMPLES = `
Examples:
  kaiwen serve models/mini
  kaiwen serve model.gguf --port 9000 --context 16384
  kaiwen serve model.gguf --adapter shop=./shop-adapter --adapter ./poet
  KAIWEN_API_KEY=secret kaiwen serve model.gguf --host 0.0.0.0
  kaiwen serve models.yaml --keys keys.yaml --log-format json

All answers share the memory of --cache, and what prompts have in common is kept there once; --context is
the most tokens that one of them may have.

Files of models and keys, limits, metrics, logs: docs/serving.md. Every field of the interface: docs/protocols.md.`;

export function serveCommand(): Command {
  const command = new Command('serve')
    .description('Answer over HTTP as OpenAI, Anthropic, DashScope and Ollama do, and show a chat page.')
    .argument('<model>', 'Hugging Face folder, GGUF file, or a YAML file of several models')
    .option('--host <host>', 'address to listen on; one that others reach needs an API key', '127.0.0.1')
    .option(
      '--port <n>',
      'port to listen on; 0 takes a free one (default: 8080, or the next that is free)',
      wholeNumber(0, 65_535),
    )
    .addOption(new Option('--api-key <key>', 'key that clients must send').env('KAIWEN_API_KEY'))
    .addOption(new Option('--keys <file>', 'YAML file of keys and their limits').conflicts('apiKey'))
    .option('--name <name>', "the model's name for clients (default: its file's)")
    .option('--cors <origin>', 'let web pages of this origin call; may be given again', collect)
    .option('--parallel <n>', 'answers computed at once (default: up to 64, as memory allows)', wholeNumber(1, 256))
    .option(
      '--cache <size>',
      'memory for keys and values of all answers, such as 2GB (default: what memory allows)',
      bytes,
    )
    .option('--spill <folder>', 'keep beginnings of prompts that the cache has no room for in this folder')
    .option('--spill-size <size>', 'most that they may take there', bytes, 4e9)
    .option('--max-requests <n>', 'requests that may run or wait at once', wholeNumber(1, 100_000), 256)
    .option('--grace <seconds>', 'how long running answers may take to finish on a stop', wholeNumber(0, 86_400), 30)
    .option('--tls-cert <file>', 'speak HTTPS: PEM file of the certificate, with --tls-key')
    .option('--tls-key <file>', "PEM file of the certificate's private key")
    .option('--timeout <seconds>', 'how long a request may take', wholeNumber(1, 86_400), 600)
    .option(
      '--data <folder>',
      'folder for files, batches, stored responses and the usage of keys (default: ~/.kaiwen/serve-PORT)',
    )
    .addOption(
      new Option('--log-format <format>', 'lines for people or for programs').choices(['text', 'json']).default('text'),
    )
    .option('--log-text', 'log what is asked and answered, too')
    .option('--quiet', 'log only what goes wrong');
  addAdapterOption(command, 'LoRA adapter that clients ask for by its name (name=path); may be given again');
  return addSpeculationOption(addEngineOptions(command))
    .addHelpText('after', EXAMPLES)
    .action(async (path: string, flags: ServeFlags) => {
      await serve(path, flags);
      // The handlers of a second signal would keep the process.
      process.exit(0);
    });
}

async function serve(path: string, flags: ServeFlags): Promise<void> {
  const { host, cors, maxRequests, logText } = flags;
  const port = flags.port ?? (await freePort(host));
  const log = await openLog(flags);
  using keys = flags.keys === undefined ? undefined : new KeyFile(flags.keys, log.note);
  const data = resolve(flags.data ?? join(homedir(), '.kaiwen', `serve-${port}`));
  using usage = keys && new UsageFile(data, log.fault);
  // An empty variable in the environment means no key, not an empty one.
  const apiKey = flags.apiKey === '' ? undefined : flags.apiKey;
  const tls = tlsFiles(flags);
  const tracing = await openTracing(process.env);
  const hub = await openHub(path, flags, log);
  try {
    const server = await listen(hub, {
      ...{ host, port, cors, maxRequests, data, log, logText, apiKey, keys, tls },
      observers: tracing && [tracing],
      limiter: usage?.limiter,
      timeoutMs: flags.timeout * 1000,
    });
    process.on('SIGHUP', () => {
      keys?.reload();
      try {
        server.reload();
      } catch (error) {
        log.note(`${describeError(error)} The certificate before stays.`);
      }
    });
    process.stdout.write(greeting(server, hub.list(), apiKey !== undefined || keys !== undefined));
    if (hub instanceof ModelPool) void hub.preload();
    await untilSignal();
    const { running } = server;
    process.stderr.write(
      running > 0 ? `stopping; requests to finish: ${running} (again: stop at once)\n` : 'stopping\n',
    );
    void untilSignal().then(() => process.exit(1));
    await server.close(flags.grace * 1000);
  } finally {
    await hub.close();
    await tracing?.close();
  }
}

/** One model, loaded now, or those of a file, loaded when they are wanted. */
async function openHub(path: string, flags: ServeFlags, log: Log): Promise<ModelHub> {
  // An engine that fails is loaded again; those whom it answered get an error.
  const supervision = { supervise: true, onFailure: log.fault };
  if (isModelsFile(path)) {
    for (const [given, flag] of [
      [flags.name, '--name'],
      [flags.adapter, '--adapter'],
      [flags.parallel, '--parallel'],
      [flags.cache, '--cache'],
      [flags.spill, '--spill'],
      [flags.context, '--context'],
    ]) {
      if (given !== undefined)
        throw new KaiwenError('usage', `${flag} belongs to one model.`, { remedy: `Set it in ${path}.` });
    }
    const { models, memory } = readModelsFile(path);
    const { load } = await import('../generate/load.js');
    const supervised = (path: string, options: EngineOptions) => load(path, { ...options, ...supervision });
    return new ModelPool({ models, memory, load: supervised, note: log.note });
  }
  const model = await loadModel(path, {
    ...engineFrom(flags),
    ...supervision,
    sequences: flags.parallel ?? 'fitting',
    cacheBytes: flags.cache,
    ...(flags.spill !== undefined && { spill: { folder: resolve(flags.spill), bytes: flags.spillSize } }),
  });
  showNotices(model.info);
  return { ...singleModel(model, flags.name), close: () => model.close() };
}

/** 8080, or the first port after it that nobody has; 8080 where all are taken, so that listening says so. */
async function freePort(host: string): Promise<number> {
  for (let port = FIRST_PORT; port < FIRST_PORT + 20; port++) {
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => {
      probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'EADDRINUSE'));
      probe.listen({ host, port, exclusive: true }, () => resolve(true));
    });
    await new Promise((resolve) => probe.close(resolve));
    if (!free) continue;
    if (port > FIRST_PORT) process.stderr.write(`port ${FIRST_PORT} is in use: taking ${port}\n`);
    return port;
  }
  return FIRST_PORT;
}

function tlsFiles({ tlsCert, tlsKey }: ServeFlags): TlsFiles | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new KaiwenError('usage', '--tls-cert and --tls-key belong together.');
  return { cert: tlsCert, key: tlsKey };
}

async function openLog({ logFormat, quiet }: ServeFlags): Promise<Log> {
  if (logFormat === 'text')
    return textLog((line) => process.stderr.write(`${new Date().toISOString()} ${line}\n`), quiet);
  const { default: pino } = await import('pino');
  const options = { base: undefined, timestamp: pino.stdTimeFunctions.isoTime };
  return jsonLog(pino(options, pino.destination({ dest: 2, sync: true })), quiet);
}

function greeting({ url }: RunningServer, served: readonly ServedModel[], withKey: boolean): string {
  const key = withKey ? ` -H "authorization: Bearer $KAIWEN_API_KEY"` : '';
  const body = JSON.stringify({ messages: [{ role: 'user', content: 'Hello!' }] });
  const [{ id }, ...others] = served;
  const also = others.map((other) => `  "model": "${other.id}" asks for ${kind(other)}\n`).join('');
  return `Open ${url} to chat with ${id} (Ctrl-C stops it). Programs find it at ${url}/v1, all routes at ${url}/docs:
  curl ${url}/v1/chat/completions${key} -H "content-type: application/json" -d '${body}'
${also}`;
}

function kind({ parent }: ServedModel): string {
  return parent === undefined ? 'that model' : 'the adapter';
}

/** A size as an option. */
function bytes(text: string): number {
  const size = parseBytes(text);
  if (size === undefined) throw new InvalidArgumentError('It must be a size such as 8GB, 512MiB or a number of bytes.');
  return size;
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
