/**
 * What a system prompt of 2,000 tokens costs the second request that has it: time to first token of both, on the shape of
 * Qwen3-0.6B in Q8_0 with random weights.
 *
 *   npx tsx bench/serve/prefix.ts [--tokens 2000] [--question 40] [--repeat 5] [--threads 2] [--only Kaiwen] [--json FILE]
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { prepareModel } from '../peers/models.js';
import { complete, median, prompts } from './client.js';
import { SERVERS, type ServerName } from './servers.js';

const { values: flags } = parseArgs({
  options: {
    tokens: { type: 'string', default: '2000' },
    question: { type: 'string', default: '40' },
    repeat: { type: 'string', default: '5' },
    threads: { type: 'string', default: '2' },
    only: { type: 'string', default: 'Kaiwen' },
    json: { type: 'string' },
  },
});

const [tokens, question] = [Number(flags.tokens), Number(flags.question)];
const model = await prepareModel('Qwen3-0.6B', 'q8_0');
const name = flags.only as ServerName;
await using server = await SERVERS[name]({ model, threads: Number(flags.threads), streams: 4, context: 4096 });
for (const prompt of prompts(999, 2, 64, 64)) await complete(server.port, prompt, 8);
const firsts: number[] = [];
const seconds: number[] = [];
for (let run = 0; run < Number(flags.repeat); run++) {
  const [system] = prompts(run, 1, tokens, tokens);
  const [one, two] = prompts(100 + run, 2, question, question);
  firsts.push((await complete(server.port, [...system, ...one], 4)).first);
  seconds.push((await complete(server.port, [...system, ...two], 4)).first);
}
const [first, second] = [median(firsts), median(seconds)];
console.log('| system prompt | question | first request (ms) | second (ms) | share |\n|---:|---:|---:|---:|---:|');
console.log(
  `| ${tokens} | ${question} | ${first.toFixed(0)} | ${second.toFixed(0)} | ${((100 * second) / first).toFixed(1)} % |`,
);
if (flags.json) writeFileSync(flags.json, `${JSON.stringify({ name, tokens, question, firsts, seconds }, null, 1)}\n`);
