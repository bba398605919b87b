/**
 * Mixed traffic over all protocols against `kaiwen serve`, for as long as one likes: requests that are read to the end,
 * clients that leave or read slowly, malformed and oversized bodies, invalid UTF-8, floods of headers, a thousand idle
 * connections. Says what came of every request and how much memory the server holds; fails (exit code 1) if it crashed,
 * if a request that was accepted ended with neither an answer nor an error, or if memory grew by more than 5 % after
 * the warm-up.
 *
 *   npx tsx bench/serve/soak.ts [--minutes 30] [--clients 12] [--idle 1000] [--seed 1] [--json]
 *
 * Needs the build in dist/.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    clients: { type: 'string', default: '12' },
    idle: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const MINUTES = Number(values.minutes);
/** The cache fills and code is compiled in this share of the time, and at least 30 seconds. */
const WARM_UP = Math.max(30_000, MINUTES * 60_000 * 0.2);
const GROWTH_LIMIT = 0.05;
/** Nobody waits longer for a response. */
const PATIENCE = 120_000;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** mulberry32 */
let state = Number(values.seed) >>> 0;
function random(): number {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)];

const WORDS = 'apple river light peace house water stone bread music garden winter paper train friend'.split(' ');
const phrase = (length: number) => Array.from({ length }, () => pick(WORDS)).join(' ');

interface Question {
  path: string;
  body: object;
  headers?: Record<string, string>;
  /** What the last bytes of a whole stream hold; absent: the response is one JSON text. */
  end?: RegExp;
}

/** A request that a decent client of some protocol could send. */
function question(): Question {
  const messages = [
    { role: 'system', content: `You are a helpful assistant. ${phrase(5)}` },
    { role: 'user', content: `What does "${pick(WORDS)}" mean? ${phrase(Math.floor(random() * 120))}` },
  ];
  const model = 'mini';
  const most = 1 + Math.floor(random() * 60);
  const stream = random() < 0.6;
  const common = { model, stream, max_tokens: most, temperature: pick([0, 0.7, 1]) };
  const [, user] = messages;
  const questions: (() => Question)[] = [
    () => ({ path: '/v1/chat/completions', body: { ...common, messages }, end: /\[DONE\]|"error"/ }),
    () => ({ path: '/compatible-mode/v1/chat/completions', body: { ...common, messages }, end: /\[DONE\]|"error"/ }),
    () => ({ path: '/v1/chat/completions', body: { ...common, messages, n: 3 }, end: /\[DONE\]|"error"/ }),
    () => ({
      path: '/v1/chat/completions',
      body: { ...common, messages, response_format: { type: 'json_object' } },
      end: /\[DONE\]|"error"/,
    }),
    () => ({ path: '/v1/completions', body: { ...common, prompt: user.content }, end: /\[DONE\]|"error"/ }),
    () => ({
      path: '/v1/responses',
      body: { model, stream, max_output_tokens: Math.max(16, most), input: user.content },
      end: /response\.(completed|incomplete|failed)|"error"/,
    }),
    () => ({
      path: '/v1/messages',
      body: { ...common, messages: [user], system: messages[0].content },
      headers: { 'anthropic-version': '2023-06-01' },
      end: /message_stop|"error"/,
    }),
    () => ({
      path: '/api/v1/services/aigc/text-generation/generation',
      body: { model, input: { messages }, parameters: { max_tokens: most, incremental_output: true } },
      headers: stream ? { 'x-dashscope-sse': 'enable' } : {},
      end: /"finish_reason":"(stop|length)"|"code"/,
    }),
    () => ({
      path: '/api/chat',
      body: { model, stream, messages, options: { num_predict: most } },
      end: /"done":true|"error"/,
    }),
    () => ({
      path: '/api/generate',
      body: { model, stream, prompt: user.content, options: { num_predict: most } },
      end: /"done":true|"error"/,
    }),
    () => ({ path: '/v1/embeddings', body: { model, input: phrase(10) } }),
    () => ({ path: '/api/embed', body: { model, input: [phrase(3), phrase(4)] } }),
    () => ({ path: '/v1/messages/count_tokens', body: { model, messages: [user] } }),
  ];
  const asked = pick(questions)();
  return stream ? asked : { ...asked, end: undefined };
}

/** What a request came to: `answer`, `error 400`, or what its client did. A fault begins with an exclamation mark. */
type Outcome = string;

const agent = new Agent({ keepAlive: true, maxSockets: 200 });

function send(
  port: number,
  { path, headers = {} }: Pick<Question, 'path' | 'headers'>,
  payload: string | Uint8Array,
  use: (response: IncomingMessage) => Promise<Outcome>,
  begun: (outgoing: ClientRequest) => void = () => {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const outgoing = request(
      {
        agent,
        port,
        host: '127.0.0.1',
        method: 'POST',
        path,
        headers: { 'content-type': 'application/json', ...headers },
      },
      (response) => use(response).then(resolve, (error) => resolve(`! broken: ${error.code ?? error.message}`)),
    );
    outgoing.setTimeout(PATIENCE, () => {
      resolve('! no end');
      outgoing.destroy();
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => resolve(`! broken: ${error.code}`));
    outgoing.end(payload);
    begun(outgoing);
  });
}

/** Reads a response to its end, resting between pieces if `rest` says so. */
async function read(response: IncomingMessage, end: RegExp | undefined, rest = 0): Promise<Outcome> {
  const { statusCode = 0 } = response;
  let text = '';
  for await (const piece of response) {
    text += piece;
    if (rest > 0) await sleep(random() * rest);
  }
  if (statusCode >= 500 && statusCode !== 503) return `! error ${statusCode}`;
  if (statusCode >= 400) return `error ${statusCode}`;
  if (end) return end.test(text.slice(-3000)) ? 'answer' : '! stream without its end';
  try {
    JSON.parse(text);
    return 'answer';
  } catch {
    return '! not JSON';
  }
}

/** What clients do, and how often. */
const KINDS: Record<string, { weight: number; run: (port: number) => Promise<Outcome> }> = {
  whole: {
    weight: 40,
    run: (port) => {
      const asked = question();
      return send(port, asked, JSON.stringify(asked.body), (response) => read(response, asked.end));
    },
  },
  leaves: {
    weight: 15,
    run: (port) => {
      const asked = question();
      const use = async (response: IncomingMessage) => {
        response.on('error', () => {});
        for (let pieces = Math.floor(random() * 4); pieces > 0 && !response.closed && !response.complete; pieces--) {
          await Promise.race([once(response, 'data'), once(response, 'close')]).catch(() => {});
        }
        response.destroy();
        return 'left while it was answered';
      };
      return send(port, asked, JSON.stringify(asked.body), use, (outgoing) => {
        if (random() < 0.5) setTimeout(() => outgoing.destroy(new Error('left')), random() * 300);
      }).then((outcome) => (outcome.startsWith('! broken') ? 'left before its answer' : outcome));
    },
  },
  'reads slowly': {
    weight: 10,
    run: (port) => {
      const asked = question();
      return send(port, asked, JSON.stringify(asked.body), (response) => read(response, asked.end, 200));
    },
  },
  malformed: {
    weight: 10,
    run: (port) => {
      const asked = question();
      const text = JSON.stringify(asked.body);
      const payload = pick<() => string | Uint8Array>([
        () => text.slice(0, -2),
        () => text.replace('"mini"', '"other"'),
        () => text.replace(/:/g, ' '),
        () => '[]',
        () => JSON.stringify({ ...asked.body, messages: [{ role: 5 }], prompt: {}, input: 7 }),
        () => '['.repeat(1000),
      ])();
      return send(port, asked, payload, (response) => read(response, undefined)).then((outcome) =>
        outcome === 'answer' ? '! answered nonsense' : outcome,
      );
    },
  },
  'invalid UTF-8': {
    weight: 5,
    run: (port) => {
      const asked = question();
      const payload = Buffer.concat([Buffer.from('{"model":"'), Buffer.of(0xff, 0xc0, 0x80), Buffer.from('"}')]);
      return send(port, asked, payload, (response) => read(response, undefined));
    },
  },
  oversized: {
    weight: 1,
    run: (port) => {
      const asked = question();
      const payload = Buffer.alloc(17 << 20, 0x20);
      // The server may close before it has read all that.
      return send(port, asked, payload, (response) => read(response, undefined)).then((outcome) =>
        /^! broken: (ECONNRESET|EPIPE)/.test(outcome) ? 'refused' : outcome,
      );
    },
  },
  'many headers': {
    weight: 3,
    run: (port) => {
      const headers = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x-flood-${i}`, 'x'.repeat(1000)]));
      return send(port, { path: '/v1/chat/completions', headers }, '{}', (response) => read(response, undefined)).then(
        (outcome) => (/^! broken: (ECONNRESET|EPIPE)/.test(outcome) ? 'refused' : outcome),
      );
    },
  },
  'no route': {
    weight: 3,
    run: (port) => send(port, { path: `/v1/${phrase(1)}/..%2f` }, '{}', (response) => read(response, undefined)),
  },
};

function chooseKind(): string {
  const total = Object.values(KINDS).reduce((sum, { weight }) => sum + weight, 0);
  let left = random() * total;
  for (const [name, { weight }] of Object.entries(KINDS)) {
    left -= weight;
    if (left < 0) return name;
  }
  return 'whole';
}

/** Connections that say nothing, or half a request, for as long as the server lets them. */
class IdleCrowd {
  readonly #sockets = new Set<Socket>();
  opened = 0;
  #over = false;

  constructor(
    readonly port: number,
    readonly size: number,
  ) {
    this.#fill();
  }

  #fill(): void {
    if (this.#over) return;
    for (let missing = Math.min(50, this.size - this.#sockets.size); missing > 0; missing--) {
      const socket = connect(this.port, '127.0.0.1');
      this.opened++;
      this.#sockets.add(socket);
      if (random() < 0.3) socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-slow: ');
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
      socket.resume();
    }
    setTimeout(() => this.#fill(), 100);
  }

  close(): void {
    this.#over = true;
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Bytes that the process holds in memory; undefined once it is no more. */
function residentBytes(pid: number): number | undefined {
  try {
    return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

async function startServer(data: string): Promise<{ child: ChildProcess; port: number; errors: () => string }> {
  const args = ['serve', 'models/mini', '--port', '0', '--cache', '32MB', '--data', data, '--quiet'];
  const child = spawn(process.execPath, ['dist/cli/main.js', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr!.on('data', (text) => {
    errors = (errors + text).slice(-20_000);
  });
  let greeting = '';
  for await (const piece of child.stdout!) {
    greeting += piece;
    const port = /http:\/\/127\.0\.0\.1:(\d+)/.exec(greeting)?.[1];
    if (port) return { child, port: Number(port), errors: () => errors };
  }
  throw new Error(`the server did not start: ${errors}`);
}

async function runningRequests(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/health`);
  return ((await response.json()) as { requests: number }).requests;
}

async function main(): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), 'kaiwen-soak-'));
  const { child, port, errors } = await startServer(data);
  let crashed = false;
  child.once('exit', () => {
    crashed = true;
  });
  const outcomes: Record<string, Record<string, number>> = {};
  const note = (kind: string, outcome: Outcome) => {
    outcomes[kind] ??= {};
    outcomes[kind][outcome] = (outcomes[kind][outcome] ?? 0) + 1;
  };
  const started = performance.now();
  const end = started + MINUTES * 60_000;
  const memory: { at: number; bytes: number }[] = [];
  const crowd = new IdleCrowd(port, Number(values.idle));
  const client = async (): Promise<void> => {
    while (performance.now() < end && !crashed) {
      const kind = chooseKind();
      note(kind, await KINDS[kind].run(port));
    }
  };
  const watch = setInterval(() => {
    const bytes = residentBytes(child.pid!);
    if (bytes !== undefined) memory.push({ at: performance.now() - started, bytes });
  }, 1000);
  await Promise.all(Array.from({ length: Number(values.clients) }, client));
  clearInterval(watch);
  crowd.close();

  const problems: string[] = [];
  if (crashed) problems.push('the server ended');
  else {
    for (let tries = 0; tries < 50 && (await runningRequests(port)) > 0; tries++) await sleep(200);
    const left = await runningRequests(port);
    if (left > 0) problems.push(`${left} requests have no end`);
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    if (code !== 0) problems.push(`the server stopped with exit code ${code}`);
  }
  rmSync(data, { recursive: true, force: true });

  const span = Math.max(10_000, MINUTES * 60_000 * 0.1);
  const last = memory.at(-1)?.at ?? 0;
  const warm = median(memory.filter(({ at }) => at >= WARM_UP && at < WARM_UP + span).map(({ bytes }) => bytes));
  const final = median(memory.filter(({ at }) => at > last - span).map(({ bytes }) => bytes));
  const growth = final / warm - 1;
  const course = Array.from({ length: 10 }, (_, i) =>
    Math.round(median(memory.filter(({ at }) => Math.floor((at / last) * 10) === i).map(({ bytes }) => bytes)) / 1e6),
  );
  if (!(growth <= GROWTH_LIMIT)) problems.push(`memory grew by ${(growth * 100).toFixed(1)} %`);
  const faults = Object.entries(outcomes).flatMap(([kind, counts]) =>
    Object.entries(counts)
      .filter(([outcome]) => outcome.startsWith('!'))
      .map(([outcome, count]) => `${kind}: ${outcome} (${count})`),
  );
  problems.push(...faults);

  const requests = Object.values(outcomes).reduce(
    (sum, counts) => sum + Object.values(counts).reduce((a, b) => a + b),
    0,
  );
  const report = {
    minutes: MINUTES,
    requests,
    idleConnections: crowd.opened,
    outcomes,
    megabytes: {
      warm: Math.round(warm / 1e6),
      end: Math.round(final / 1e6),
      growth: Number(growth.toFixed(4)),
      course,
    },
    problems,
  };
  if (values.json) console.log(JSON.stringify(report, null, 2));
  else {
    console.log(`${requests} requests in ${MINUTES} minutes, ${crowd.opened} idle connections`);
    for (const [kind, counts] of Object.entries(outcomes)) {
      const list = Object.entries(counts).map(([outcome, count]) => `${outcome} ${count}`);
      console.log(`  ${kind.padEnd(14)} ${list.join(', ')}`);
    }
    const { warm: before, end: after } = report.megabytes;
    console.log(
      `memory: ${before} MB after the warm-up, ${after} MB at the end (${(growth * 100).toFixed(1)} %); by tenths of the time: ${course.join(' ')}`,
    );
    for (const problem of problems) console.log(`PROBLEM ${problem}`);
  }
  if (problems.length > 0) {
    const said = errors();
    if (said) console.error(said);
  }
  process.exit(problems.length > 0 ? 1 : 0);
}

await main();
