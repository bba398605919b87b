/**
 * llama.cpp behind a plain HTTP server: `POST /v1/completions` with a prompt of token ids, streamed as OpenAI does.
 * One context with as many sequences as there may be requests at once; node-llama-cpp batches what they evaluate.
 *
 *   tsx bench/peers/serve-llama.ts MODEL THREADS SEQUENCES CONTEXT      prints its port when it is ready
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { LlamaContextSequence, Token } from 'node-llama-cpp';
import { openLlama } from './llama.js';

interface Body {
  prompt: number[];
  max_tokens: number;
}

const [file, threads, sequences, contextSize] = process.argv.slice(2);
const llama = await openLlama(Number(threads));
const model = await llama.loadModel({ modelPath: file });
const context = await model.createContext({
  ...{ contextSize: Number(contextSize), sequences: Number(sequences), threads: Number(threads), batchSize: 512 },
});
const free: LlamaContextSequence[] = Array.from({ length: Number(sequences) }, () => context.getSequence());
const waiting: ((sequence: LlamaContextSequence) => void)[] = [];

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const { prompt, max_tokens } = JSON.parse(Buffer.concat(pieces).toString()) as Body;
  const sequence = free.pop() ?? (await new Promise<LlamaContextSequence>((resolve) => waiting.push(resolve)));
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (data: unknown) => response.write(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
  let count = 0;
  try {
    // What is the same as in the request before is kept and not evaluated again.
    await sequence.adaptStateToTokens(prompt.slice(0, -1) as Token[]);
    const rest = prompt.slice(sequence.nextTokenIndex) as Token[];
    for await (const token of sequence.evaluate(rest, { temperature: 0, yieldEogToken: true })) {
      const text = model.detokenize([token]);
      send({ object: 'text_completion', choices: [{ index: 0, text, finish_reason: null }] });
      if (++count === max_tokens || response.destroyed) break;
    }
    const usage = { prompt_tokens: prompt.length, completion_tokens: count };
    send({ object: 'text_completion', choices: [{ index: 0, text: '', finish_reason: 'length' }], usage });
    send('[DONE]');
  } finally {
    response.end();
    const next = waiting.shift();
    if (next) next(sequence);
    else free.push(sequence);
  }
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error);
    response.destroy();
  });
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
