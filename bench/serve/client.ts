/** One streamed completion, and when its pieces came. */
import { Agent, request } from 'node:http';

export interface Stream {
  /** Milliseconds from the request to the first piece of the answer. */
  first: number;
  /** Milliseconds between the pieces of the answer, as they arrived. */
  gaps: number[];
  promptTokens: number;
  completionTokens: number;
}

const agent = new Agent({ keepAlive: true });

/** Throws if the server answers with anything but a whole stream of `maxTokens`. */
export function complete(port: number, prompt: readonly number[], maxTokens: number): Promise<Stream> {
  const body = { prompt, max_tokens: maxTokens, temperature: 0, stream: true, stream_options: { include_usage: true } };
  const text = JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const options = { port, agent, headers, host: '127.0.0.1', path: '/v1/completions', method: 'POST' };
    const call = request(options, (response) => {
      let rest = '';
      let last = 0;
      let usage: { prompt_tokens: number; completion_tokens: number } | undefined;
      const stream: Stream = { first: 0, gaps: [], promptTokens: 0, completionTokens: 0 };
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        const now = performance.now();
        const events = (rest + piece).split('\n\n');
        rest = events.pop()!;
        for (const event of events) {
          if (!event.startsWith('data: {')) continue;
          const data = JSON.parse(event.slice(6));
          usage = data.usage ?? usage;
          if (!data.choices?.[0]?.text) continue;
          if (last === 0) stream.first = now - started;
          else stream.gaps.push(now - last);
          last = now;
        }
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode !== 200) return reject(new Error(`status ${response.statusCode}: ${rest}`));
        if (usage?.completion_tokens !== maxTokens)
          return reject(new Error(`an answer of ${usage?.completion_tokens} tokens`));
        resolve({ ...stream, promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens });
      });
    });
    call.on('error', reject);
    call.end(text);
  });
}

/** Prompts without a common beginning: `count` of between `least` and `most` tokens, the same for the same seed. */
export function prompts(seed: number, count: number, least: number, most: number): number[][] {
  const random = mulberry(seed);
  return Array.from({ length: count }, () => {
    const length = least + Math.floor(random() * (most - least + 1));
    return Array.from({ length }, () => Math.floor(random() * 150_000));
  });
}

/** Uniform numbers in [0, 1). */
function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The value below which `share` of `values` lie. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
