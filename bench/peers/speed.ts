/**
 * Times Kaiwen's backends and llama.cpp in turn, A B C A B C, on the same random models: only one computes at a time.
 * Then products of matrices beside onnxruntime and OpenBLAS. `--help` tells the flags.
 */
import { createReadStream, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { ConvertType } from '../../src/formats/quant-mix.js';
import { measureBandwidth } from '../../src/tensor/bandwidth.js';
import { Child } from './child.js';
import { coldStart } from './cold.js';
import { Deadline } from './deadline.js';
import { readFlags } from './flags.js';
import { prepareModel, prepareModels } from './models.js';
import { type Entry, type Loading, OURS, Peer, THEIRS } from './peer.js';
import { timeProducts } from './products.js';
import { print, showStatus } from './progress.js';
import { Report, spread } from './report.js';
import type { ShapeName } from './shapes.js';
import { LOADING, listGroups, type SpeedCase } from './speed-cases.js';

const flags = readFlags();
const { quick } = flags;
const repeats = quick ? 3 : 7;
const loads = quick ? 2 : 5;
/** A case ends early when it has taken so long and has run a few times. */
const [caseMs, fewest] = quick ? [9000, 1] : [45_000, 3];
/** For everything, and of that for the products of matrices. */
const [wholeMs, productMs] = quick ? [240_000, 30_000] : [Infinity, 0];

const ours = OURS.filter(({ name }) => flags.wantsBackend(name));
const entries = [...ours, THEIRS];
const them = ours.length;
const report = new Report();

print(
  `${cpus()[0]?.model.trim()}, ${cpus().length} cores; medians of up to ${repeats} runs, ratios above 1: Kaiwen is better`,
);
for (const name of flags.models) await prepareModels(name, flags.types);
const whole = new Deadline(wholeMs);
const pairs = flags.models.flatMap((name) => flags.types.map((type) => ({ name, type })));
let threads: number[] | undefined;
/** What a token of a prompt costs all engines together, as last measured: every case begins with a prompt. */
let promptTokenMs = 0;
for (const [i, { name, type }] of pairs.entries()) {
  await compare(name, type, whole.part(pairs.length - i, flags.products ? productMs : 0));
  save();
}
if (flags.products) {
  await timeProducts(report, ours, { quick, threads: flags.threads ?? cpus().length });
  save();
}

function save(): void {
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(report.results, null, 1)}\n`);
}

async function compare(name: ShapeName, type: ConvertType, deadline: Deadline): Promise<void> {
  const label = `${name} ${type}`;
  const file = await prepareModel(name, type);
  await readThrough(file);
  if (!threads || !quick) threads = await bestThreads(label, file);
  const counts = threads;
  const readers = Math.max(...counts);
  let bandwidth = await bandwidthOf(label, readers);

  const groups = listGroups(type, quick)
    .map((group) => ({ ...group, cases: group.cases.filter(({ name }) => flags.wantsCase(name)) }))
    .filter(({ cases }) => cases.length > 0);
  if (groups.length === 0 && [LOADING.load, LOADING.memory].some(flags.wantsCase)) {
    groups.push({ sequences: 1, cases: [] });
  }
  const timings = new Map<SpeedCase, Timing>();
  const loadings = entries.map((): Loading[] => []);
  let memory: number[] | undefined;
  let cachePerToken = 0;
  for (const [g, { sequences, cases }] of groups.entries()) {
    const context = Math.max(128, ...cases.map((one) => one.context));
    const first = g === 0;
    if (!first && deadline.left === 0) {
      print(`Left out of ${label} for want of time: ${cases.map((one) => one.name).join('; ')}`);
      continue;
    }
    const peers = await loadPeers(
      label,
      file,
      counts,
      { context, sequences },
      first ? loads : 1,
      deadline,
      (i, loading) => {
        if (first) loadings[i].push(loading);
      },
    );
    try {
      cachePerToken ||= loadings[0][0].sizes!.cache / context / sequences;
      for (const one of cases) {
        const skip = one !== cases[0] && deadline.left < one.context * promptTokenMs;
        const timing = skip ? undefined : await timeCase(label, one, peers, deadline, readers);
        if (timing) timings.set(one, timing);
        else print(`Left out of ${label} for want of time: ${one.name}`);
      }
      // A cache that was not filled would not count.
      const filled = cases.every((one) => timings.has(one));
      if (first && filled) memory = await Promise.all(peers.map((peer) => peer.memory()));
    } finally {
      for (const peer of peers) await peer.stop();
    }
  }
  const cold = flags.wantsCase(LOADING.cold) ? await timeColdStarts(label, file, counts, deadline) : undefined;
  bandwidth = Math.max(bandwidth, await bandwidthOf(label, readers));

  const bytes = statSync(file).size;
  print(`\n${label}: file ${(bytes / 1e6).toFixed(0)} MB, memory ${(bandwidth / 1e9).toFixed(1)} GB/s`);
  print(`threads: ${entries.map((entry, i) => `${entry.name} ${counts[i]}`).join(', ')}`);
  for (const [i, { name: backend }] of ours.entries()) {
    const add = report.for(backend, name, type);
    for (const [{ name, tokens, step }, { times, bandwidths }] of timings) {
      const rate = (entry: number) => spread(times[entry].map((ms) => (tokens * 1000) / ms));
      const [mine, theirs] = [rate(i), rate(them)];
      add(name, mine, theirs, 'tokens/s', 'more');
      if (!step) continue;
      const stepBytes = step.bytes(loadings[i][0].sizes!, cachePerToken);
      const share = (entry: number) =>
        spread(times[entry].map((ms, run) => (((tokens * 1000) / ms / step.tokens) * stepBytes) / bandwidths[run]));
      add(`${name}: of bandwidth`, share(i), share(them), 'share', 'more');
    }
    if (cold) add(LOADING.cold, spread(cold[i]), spread(cold[them]), 'ms', 'less');
    if (loadings[i].length > 0 && flags.wantsCase(LOADING.load)) {
      const load = (entry: number) => spread(loadings[entry].map(({ loadMs }) => loadMs));
      add(LOADING.load, load(i), load(them), 'ms', 'less');
    }
    if (memory && flags.wantsCase(LOADING.memory)) {
      const [mine, theirs] = [memory[i], memory[them]].map((bytes) => spread([bytes / 1e6]));
      add(LOADING.memory, mine, theirs, 'MB', 'less');
    }
    print(report.table(backend, name, type));
  }
}

interface Timing {
  /** Milliseconds of each entry's runs. */
  times: number[][];
  /** What the memory gave during each turn: on a shared machine it changes from second to second. */
  bandwidths: number[];
}

/** Times of each peer, in turn; for cases that wait for memory also the bandwidth, before and after the turn. */
async function timeCase(
  label: string,
  one: SpeedCase,
  peers: readonly Peer[],
  deadline: Deadline,
  readers: number,
): Promise<Timing> {
  const times = peers.map((): number[] => []);
  const bandwidths: number[] = [];
  const measure = async () => (one.step ? measureBandwidth(readers, 4) : 0);
  let before = await measure();
  const started = performance.now();
  for (let run = 0; run < repeats; run++) {
    if (run >= fewest && performance.now() - started > Math.min(caseMs, deadline.left)) break;
    for (const [i, peer] of peers.entries()) {
      showStatus(`${label}: ${one.name}, run ${run + 1} of ${repeats}, ${entries[i].name}`);
      await Child.settle();
      times[i].push(await one.run(peer));
    }
    const after = await measure();
    bandwidths.push(Math.max(before, after));
    before = after;
    if (one.name.startsWith('prefill')) promptTokenMs = times.reduce((sum, ms) => sum + ms[run], 0) / one.tokens;
  }
  return { times, bandwidths };
}

/** Loads the file in every engine `times` times in turn, each time in a new process; the last ones stay, warm. */
async function loadPeers(
  label: string,
  file: string,
  counts: readonly number[],
  settings: { context: number; sequences: number },
  times: number,
  deadline: Deadline,
  use: (entry: number, loading: Loading) => void,
): Promise<Peer[]> {
  const peers: Peer[] = [];
  try {
    for (let [run, last] = [1, false]; !last; run++) {
      last = run >= times || deadline.left === 0;
      for (const [i, entry] of entries.entries()) {
        showStatus(`${label}: loading, run ${run} of ${times}, ${entry.name}`);
        const peer = new Peer(entry);
        peers.push(peer);
        use(i, await peer.load(file, { ...settings, threads: counts[i] }));
        if (!last) await peers.pop()!.stop();
      }
    }
    for (const peer of peers) await warm(peer, settings.context);
    return peers;
  } catch (error) {
    for (const peer of peers) await peer.stop();
    throw error;
  }
}

async function warm(peer: Peer, context: number): Promise<void> {
  await peer.prefill(Math.min(64, context));
  await peer.decode(16, 4);
}

async function timeColdStarts(
  label: string,
  file: string,
  counts: readonly number[],
  deadline: Deadline,
): Promise<number[][]> {
  const times = entries.map((): number[] => []);
  for (let run = 1; run <= loads && (run === 1 || deadline.left > 0); run++) {
    for (const [i, entry] of entries.entries()) {
      showStatus(`${label}: cold start, run ${run} of ${loads}, ${entry.name}`);
      times[i].push(await coldStart(entry, file, counts[i]));
    }
  }
  return times;
}

/** For each entry the number of threads, one or all cores, that is faster at prefill and decoding together. */
async function bestThreads(label: string, file: string): Promise<number[]> {
  if (flags.threads !== undefined) return entries.map(() => flags.threads!);
  const candidates = [...new Set([1, cpus().length])];
  const scores = entries.map((): number[] => []);
  for (const count of candidates) {
    for (const [i, entry] of entries.entries()) {
      showStatus(`${label}: trying ${count} threads, ${entry.name}`);
      scores[i].push(await scoreThreads(entry, file, count));
    }
  }
  return scores.map((score) => candidates[score.indexOf(Math.max(...score))]);
}

/** The product of both speeds, so that each counts by its ratio. */
async function scoreThreads(entry: Entry, file: string, count: number): Promise<number> {
  const peer = new Peer(entry);
  try {
    await peer.load(file, { threads: count, context: 128, sequences: 1 });
    await warm(peer, 128);
    const best = async (run: () => Promise<number>) => Math.min(await run(), await run());
    return 1 / (await best(() => peer.prefill(64))) / (await best(() => peer.decode(64, 12)));
  } finally {
    await peer.stop();
  }
}

async function bandwidthOf(label: string, count: number): Promise<number> {
  showStatus(`${label}: memory bandwidth`);
  return measureBandwidth(count);
}

/** So that the file lies in the page cache. */
async function readThrough(file: string): Promise<void> {
  for await (const _ of createReadStream(file, { highWaterMark: 1 << 22 }));
}
