/**
 * Times Kaiwen and llama.cpp in turn, A B A B, on the same random models: only one computes at a time. Numbers are
 * medians; a ratio above 1 means that Kaiwen is better.
 *
 *   npm run -s bench:peers -- [--quick] [--json FILE] [--threads N] [--model SHAPE]... [--type TYPE]...
 */
import { createReadStream, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { ConvertType } from '../../src/formats/quant-mix.js';
import { measureBandwidth } from '../../src/tensor/bandwidth.js';
import { prepareModel } from './models.js';
import { type Entry, type Loading, Peer } from './peer.js';
import { Report, range, spread } from './report.js';
import type { ShapeName } from './shapes.js';

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    threads: { type: 'string', default: '2' },
    model: { type: 'string', multiple: true, default: ['Qwen3-0.6B'] },
    type: { type: 'string', multiple: true, default: ['q8_0', 'q4_0'] },
  },
});
const threads = Number(flags.threads);
const repeats = flags.quick ? 3 : 9;
const loads = flags.quick ? 2 : 5;

/** Kaiwen's backends, each against the last entry. */
const OURS: readonly Entry[] = [{ name: 'wasm', engine: 'kaiwen' }];
const THEIRS: Entry = { name: 'llama.cpp', engine: 'llama.cpp' };
const ENTRIES = [...OURS, THEIRS];

interface SpeedCase {
  name: string;
  /** Tokens computed in the time that `run` returns. */
  tokens: number;
  /** Tokens of context needed. */
  context: number;
  run(peer: Peer): Promise<number>;
  /** Weights are read once a token: the share of the machine's bandwidth is reported too. */
  streams?: boolean;
}

const decode = (context: number, tokens: number): SpeedCase => ({
  ...{ name: `decode, context ${context}`, tokens, context: context + tokens, streams: true },
  run: (peer) => peer.decode(context, tokens),
});
const prefill = (tokens: number): SpeedCase => ({
  ...{ name: `prefill ${tokens}`, tokens, context: tokens },
  run: (peer) => peer.prefill(tokens),
});
const CASES = [decode(64, 64), prefill(512)];
const context = Math.max(...CASES.map((speedCase) => speedCase.context));

const report = new Report();
console.log(`${cpus()[0]?.model.trim()}, ${threads} threads, medians of ${repeats} runs (loading: ${loads})`);
for (const name of flags.model) {
  for (const type of flags.type) await compare(name as ShapeName, type as ConvertType);
}
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(report.results, null, 1)}\n`);

async function compare(name: ShapeName, type: ConvertType): Promise<void> {
  const file = await prepareModel(name, type);
  await readThrough(file);
  let bandwidth = await measureBandwidth(threads);
  const { loadings, peers } = await loadAll(file);
  const times = CASES.map(() => ENTRIES.map((): number[] => []));
  let memory: number[];
  try {
    for (const peer of peers) {
      await peer.prefill(64);
      await peer.decode(16, 4);
    }
    for (const [c, speedCase] of CASES.entries()) {
      for (let run = 0; run < repeats; run++) {
        for (const [i, peer] of peers.entries()) times[c][i].push(await speedCase.run(peer));
      }
    }
    memory = await Promise.all(peers.map((peer) => peer.memory()));
    bandwidth = Math.max(bandwidth, await measureBandwidth(threads));
  } finally {
    for (const peer of peers) await peer.stop();
  }

  const bytes = statSync(file).size;
  const them = ENTRIES.length - 1;
  console.log(`\n${name} ${type}: file ${(bytes / 1e6).toFixed(0)} MB, memory ${(bandwidth / 1e9).toFixed(1)} GB/s`);
  for (const [i, { name: backend }] of OURS.entries()) {
    const { sizes } = loadings[i][0];
    const add = report.for(backend, name, type);
    for (const [c, { name, tokens, streams }] of CASES.entries()) {
      const rate = (entry: number) => spread(times[c][entry].map((ms) => (tokens * 1000) / ms));
      const [ours, theirs] = [rate(i), rate(them)];
      add(name, ours, theirs, 'tokens/s', 'more');
      const share = (value: number) => (value * sizes!.perToken) / bandwidth;
      if (streams) add(`${name}: of bandwidth`, range(ours, share), range(theirs, share), 'share', 'more');
    }
    for (const [label, time] of [
      ['load', ({ loadMs }: Loading) => loadMs],
      ['load to first token', ({ firstTokenMs }: Loading) => firstTokenMs],
    ] as const) {
      add(label, spread(loadings[i].map(time)), spread(loadings[them].map(time)), 'ms', 'less');
    }
    add('resident memory', spread([memory[i] / 1e6]), spread([memory[them] / 1e6]), 'MB', 'less');
    console.log(report.table(backend, name, type));
    const limit = 1.1 * sizes!.weights + sizes!.cache + 200e6;
    const speed = bytes / 1e6 / spread(loadings[i].map(({ loadMs }) => loadMs)).median;
    console.log(
      `${backend}: loads ${speed.toFixed(2)} GB/s; weights × 1.1 + cache + 200 MB = ${(limit / 1e6).toFixed(0)} MB`,
    );
  }
}

/** Loads the file in every engine, each time in a new process; the last ones stay. */
async function loadAll(file: string): Promise<{ loadings: Loading[][]; peers: Peer[] }> {
  const loadings = ENTRIES.map((): Loading[] => []);
  const peers: Peer[] = [];
  try {
    for (let run = 1; run <= loads; run++) {
      for (const [i, entry] of ENTRIES.entries()) {
        const peer = new Peer(entry);
        peers.push(peer);
        loadings[i].push(await peer.load(file, { threads, context }));
        if (run < loads) await peers.pop()!.stop();
      }
    }
  } catch (error) {
    for (const peer of peers) await peer.stop();
    throw error;
  }
  return { loadings, peers };
}

/** So that the file lies in the page cache. */
async function readThrough(file: string): Promise<void> {
  for await (const _ of createReadStream(file, { highWaterMark: 1 << 22 }));
}
