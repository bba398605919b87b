/**
 * Many streams at once: `kaiwen serve` beside llama.cpp behind a plain HTTP server of the same API, both on the shape of
 * Qwen3-0.6B in Q8_0 with random weights, each in a process of its own and one after the other, in turn.
 *
 *   npx tsx bench/serve/throughput.ts [--minutes 25] [--repeat 3] [--streams 1,4,16,64] [--quick] [--only Kaiwen]
 *                                     [--threads 2] [--json FILE]
 *
 * Prompts have 128 to 1,024 random tokens and nothing in common, answers 128 tokens, greedy. Each of the streams asks
 * again when it has its answer. A run that would not fit the minutes is left out, and said to be.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Deadline } from '../peers/deadline.js';
import { prepareModel } from '../peers/models.js';
import { complete, median, prompts, quantile, type Stream } from './client.js';
import { SERVERS, type ServerName } from './servers.js';

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '25' },
    repeat: { type: 'string', default: '3' },
    streams: { type: 'string', default: '1,4,16,64' },
    threads: { type: 'string', default: '2' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});

const ANSWER = 128;
const [LEAST, MOST] = [128, 1024];
const CONTEXT = 2048;

interface Round {
  server: ServerName;
  streams: number;
  /** Prompt and answer, and answer alone, a second. */
  totalRate: number;
  answerRate: number;
  firstP50: number;
  firstP95: number;
  gapP50: number;
  gapP95: number;
  seconds: number;
}

async function main(): Promise<void> {
  const deadline = new Deadline(60_000 * Number(flags.minutes));
  const model = await prepareModel('Qwen3-0.6B', 'q8_0');
  const names = (Object.keys(SERVERS) as ServerName[]).filter((name) => !flags.only || name === flags.only);
  const counts = flags.streams.split(',').map(Number);
  const rounds: Round[] = [];
  for (let run = 0; run < (flags.quick ? 1 : Number(flags.repeat)); run++) {
    for (const streams of counts) {
      // Each begins every other time: who comes second finds a warmer machine.
      for (const name of run % 2 ? names.toReversed() : names) {
        const before = rounds.filter((round) => round.server === name && round.streams === streams);
        const expected = Math.max(0, ...before.map(({ seconds }) => 1000 * seconds));
        if (deadline.left < expected || deadline.left === 0) {
          console.error(`left out for want of time: ${name}, ${streams} streams, run ${run + 1}`);
          continue;
        }
        const round = await measure(name, model, streams, 1000 * run + streams);
        rounds.push(round);
        console.error(describe(round));
        // What has been measured is kept, whatever comes.
        if (flags.json) writeFileSync(flags.json, `${JSON.stringify({ rounds, medians: medians(rounds) }, null, 1)}\n`);
      }
    }
  }
  console.log(table(medians(rounds), counts));
}

async function measure(name: ServerName, model: string, streams: number, seed: number): Promise<Round> {
  const started = performance.now();
  await using server = await SERVERS[name]({ model, threads: Number(flags.threads), streams, context: CONTEXT });
  for (const prompt of prompts(999, 2, 64, 64)) await complete(server.port, prompt, 8);
  const each = flags.quick || streams > 16 ? 1 : streams === 1 ? 4 : 2;
  const queue = prompts(seed, each * streams, LEAST, MOST);
  const done: Stream[] = [];
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: streams }, async () => {
      for (let prompt = queue.pop(); prompt; prompt = queue.pop())
        done.push(await complete(server.port, prompt, ANSWER));
    }),
  );
  const seconds = (performance.now() - begun) / 1000;
  const sum = (of: (stream: Stream) => number) => done.reduce((all, stream) => all + of(stream), 0);
  const [answered, read] = [sum((stream) => stream.completionTokens), sum((stream) => stream.promptTokens)];
  const firsts = done.map(({ first }) => first);
  const gaps = done.flatMap((stream) => stream.gaps);
  return {
    ...{ server: name, streams, totalRate: (answered + read) / seconds, answerRate: answered / seconds },
    ...{ firstP50: median(firsts), firstP95: quantile(firsts, 0.95) },
    ...{ gapP50: median(gaps), gapP95: quantile(gaps, 0.95), seconds: (performance.now() - started) / 1000 },
  };
}

/** Of each server and number of streams the medians of its runs. */
function medians(rounds: readonly Round[]): Round[] {
  const groups = new Map<string, Round[]>();
  for (const round of rounds) {
    const key = `${round.server} ${round.streams}`;
    groups.set(key, [...(groups.get(key) ?? []), round]);
  }
  return [...groups.values()].map((group) => {
    const of = (key: Exclude<keyof Round, 'server'>) => median(group.map((round) => round[key]));
    return {
      ...{
        server: group[0].server,
        streams: group[0].streams,
        totalRate: of('totalRate'),
        answerRate: of('answerRate'),
      },
      ...{ firstP50: of('firstP50'), firstP95: of('firstP95'), gapP50: of('gapP50'), gapP95: of('gapP95') },
      seconds: of('seconds'),
    };
  });
}

function table(rows: readonly Round[], counts: readonly number[]): string {
  const lines = [
    '| streams | server | tokens/s | answer tokens/s | first token p50, p95 (s) | between tokens p50, p95 (ms) |',
    '|---:|---|---:|---:|---:|---:|',
  ];
  for (const streams of counts) {
    const some = rows.filter((row) => row.streams === streams);
    for (const { server, totalRate, answerRate, firstP50, firstP95, gapP50, gapP95 } of some) {
      const first = [firstP50, firstP95].map((ms) => (ms / 1000).toFixed(2)).join(', ');
      const gap = [gapP50, gapP95].map((ms) => ms.toFixed(0)).join(', ');
      lines.push(`| ${streams} | ${server} | ${totalRate.toFixed(0)} | ${answerRate.toFixed(1)} | ${first} | ${gap} |`);
    }
    const [ours, theirs] = (['Kaiwen', 'llama.cpp'] as const).map((name) => some.find(({ server }) => server === name));
    if (!ours || !theirs) continue;
    const ratios = [ours.totalRate / theirs.totalRate, ours.answerRate / theirs.answerRate];
    const first = ours.firstP95 / theirs.firstP95;
    lines.push(
      `| ${streams} | ratio | ${ratios[0].toFixed(2)} | ${ratios[1].toFixed(2)} | p95 ${first.toFixed(2)} | |`,
    );
  }
  return lines.join('\n');
}

function describe({ server, streams, totalRate, answerRate, firstP50, firstP95, seconds }: Round): string {
  const rates = `${totalRate.toFixed(0)} tokens/s, ${answerRate.toFixed(1)} of answers`;
  return `${server}, ${streams} streams: ${rates}; first ${firstP50.toFixed(0)} / ${firstP95.toFixed(0)} ms (${seconds.toFixed(0)} s)`;
}

await main();
