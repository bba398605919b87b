/**
 * How many streamed responses a second the HTTP layer gives with a model that answers at once, and how long each takes.
 *
 *   npx tsx bench/serve/http.ts [--connections 32] [--seconds 5] [--repeat 3] [--turns] [--json]
 *
 * With --turns the model takes a turn of the event loop for each of its 8 tokens, so that an answer leaves in pieces.
 * The server is a process of its own, the load comes from this one over kept-alive connections: two cores. The client
 * only looks for the end of a response, so that it does not compete with what it measures.
 */
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '32' },
    seconds: { type: 'string', default: '5' },
    repeat: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    turns: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
  },
});

const BODY = JSON.stringify({
  model: 'instant',
  stream: true,
  messages: [
    { role: 'system', content: 'You are a helpful assistant.' },
    { role: 'user', content: 'Say hello to whoever reads this.' },
  ],
});

interface Round {
  perSecond: number;
  p50: number;
  p99: number;
  events: number;
}

async function main(): Promise<void> {
  const server = spawn(
    process.execPath,
    [
      ...(values.profile ? ['--cpu-prof'] : []),
      ...['--import', 'tsx', fileURLToPath(new URL('instant.ts', import.meta.url))],
      ...(values.turns ? ['turns'] : []),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  try {
    const port = await new Promise<number>((resolve, reject) => {
      server.stdout.once('data', (text) => resolve(Number(text)));
      server.once('exit', () => reject(new Error('the server ended')));
    });
    const connections = Number(values.connections);
    await round(port, connections, 1);
    const rounds: Round[] = [];
    for (let i = 0; i < Number(values.repeat); i++) rounds.push(await round(port, connections, Number(values.seconds)));
    rounds.sort((a, b) => a.perSecond - b.perSecond);
    const median = rounds[rounds.length >> 1];
    if (values.json) process.stdout.write(`${JSON.stringify({ connections, median, rounds })}\n`);
    else
      process.stdout.write(
        `${Math.round(median.perSecond)} streamed responses/s over ${connections} connections, ` +
          `p50 ${median.p50.toFixed(1)} ms, p99 ${median.p99.toFixed(1)} ms (${median.events} events each)\n`,
      );
  } finally {
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.stdin.end();
    await ended;
  }
}

async function round(port: number, connections: number, seconds: number): Promise<Round> {
  const times: number[] = [];
  const until = performance.now() + 1000 * seconds;
  let events = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const client = new Client(port);
      while (performance.now() < until) {
        const start = performance.now();
        const text = await client.request();
        times.push(performance.now() - start);
        if (!text.startsWith('HTTP/1.1 200') || !text.includes('data: [DONE]')) throw new Error(`bad answer: ${text}`);
        events = text.split('data: ').length - 1;
      }
      client.close();
    }),
  );
  const elapsed = (performance.now() - started) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))];
  return { perSecond: times.length / elapsed, p50: at(0.5), p99: at(0.99), events };
}

/** One kept-alive connection, one request at a time. */
class Client {
  readonly #socket;
  #text = '';
  #done: (text: string) => void = () => {};
  #fail: (error: Error) => void = () => {};
  readonly #request: string;

  constructor(port: number) {
    this.#request =
      `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(BODY)}\r\n\r\n${BODY}`;
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setNoDelay(true);
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (piece: string) => {
      this.#text += piece;
      if (!this.#text.endsWith('data: [DONE]\n\n') && !this.#text.endsWith('\r\n0\r\n\r\n')) return;
      if (this.#text.includes('transfer-encoding: chunked') && !this.#text.endsWith('\r\n0\r\n\r\n')) return;
      const text = this.#text;
      this.#text = '';
      this.#done(text);
    });
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the connection was closed')));
  }

  request(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#fail = reject;
      this.#socket.write(this.#request);
    });
  }

  close(): void {
    this.#fail = () => {};
    this.#socket.destroy();
  }
}

await main();
