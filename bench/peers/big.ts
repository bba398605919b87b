/**
 * Large models of random blocks: made, loaded and decoded by `kaiwen bench`, beside a small one of the same type. Tells
 * the share of the memory's bandwidth that decoding reaches, the most memory that was resident and, counting the pages
 * that one token touches, how much of the weights it reads.
 *
 *   npx tsx bench/peers/big.ts [SHAPE]...      default: Qwen3-8B (4.7 GB) and Qwen3-30B-A3B (17 GB), in Q4_0
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Child, serve, watch } from './child.js';
import { KAIWEN, prepareModel } from './models.js';
import { clearStatus, print, showStatus } from './progress.js';
import { SHAPES, type ShapeName } from './shapes.js';
import { formatTable, percent } from './table.js';

const YARDSTICK: ShapeName = 'Qwen3-0.6B';
const CONTEXT = 512;
/** Mappings of at least so many kB are arenas; the JavaScript heap comes in smaller ones. */
const ARENA_KB = 4096;

interface Bench {
  weightBytes: number;
  bytesPerToken: number;
  loadMs: number;
  prefillTokensPerSecond: { median: number };
  decodeTokensPerSecond: { median: number };
  bandwidthBytesPerSecond: number;
  bandwidthShare: number;
}

if (process.send) {
  serve({ inspect });
} else {
  const names = process.argv.slice(2);
  for (const name of names) {
    if (name in SHAPES) continue;
    console.error(`No shape ${name}; there are ${Object.keys(SHAPES).join(', ')}.`);
    process.exit(2);
  }
  const shapes = (names.length > 0 ? names : ['Qwen3-8B', 'Qwen3-30B-A3B']) as ShapeName[];
  await report([...new Set([YARDSTICK, ...shapes])]);
}

async function report(shapes: readonly ShapeName[]): Promise<void> {
  const rows: string[][] = [];
  for (const name of shapes) {
    const file = await prepareModel(name, 'q4_0');
    const result = await bench(name, file);
    const { resident, touched } = await askChild(name, file);
    const { weightBytes, bytesPerToken, loadMs, bandwidthBytesPerSecond: bandwidth } = result;
    const decode = result.decodeTokensPerSecond.median;
    rows.push([
      ...[name, gigabytes(statSync(file).size), `${(loadMs / 1000).toFixed(1)} s`, gigabytes(weightBytes)],
      ...[gigabytes(resident), result.prefillTokensPerSecond.median.toFixed(1)],
      ...[decode.toFixed(1), `${gigabytes(bandwidth)}/s`, percent(result.bandwidthShare), gigabytes(bytesPerToken)],
      ...[touched === undefined ? '' : gigabytes(touched), `${gigabytes(weightBytes * decode)}/s`],
    ]);
  }
  const header = ['Q4_0', 'file', 'load', 'weights', 'resident', 'prefill/s', 'decode/s', 'memory', 'share'];
  print(formatTable([...header, 'read a token', 'touched', 'all weights a token'], rows));
}

/** Runs `kaiwen bench`. */
async function bench(name: string, file: string): Promise<Bench> {
  const args = ['bench', file, '--prompt', '64', '--decode', '32', '--context', String(CONTEXT), '--json'];
  showStatus(`${name}: kaiwen ${args.join(' ')}`);
  clearStatus();
  const child = watch(spawn(process.execPath, [KAIWEN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] }));
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`kaiwen bench ended with ${code}.`);
  return JSON.parse(output);
}

interface Inspection {
  /** Most bytes that were resident at once, loading included. */
  resident: number;
  /** Bytes of the arenas' pages that computing one token touches; only Linux tells. */
  touched?: number;
}

async function askChild(name: string, file: string): Promise<Inspection> {
  showStatus(`${name}: counting the pages that a token touches`);
  const child = new Child(name, fileURLToPath(import.meta.url), []);
  try {
    return await child.call('inspect', file);
  } finally {
    await child.stop();
    clearStatus();
  }
}

async function inspect(file: string): Promise<Inspection> {
  const { startEngine } = await import('../../src/generate/engine-client.js');
  await using engine = await startEngine(file, { context: CONTEXT });
  await engine.bench(8, 8, 1);
  const resident = 1024 * process.resourceUsage().maxRSS;
  if (process.platform !== 'linux') return { resident };
  // Clears what proc(5) calls the referenced bit of every page of this process.
  writeFileSync('/proc/self/clear_refs', '1');
  await engine.bench(1, 0, 1);
  return { resident, touched: touchedBytes() };
}

/** Sum over the large anonymous mappings of this process. */
function touchedBytes(): number {
  let [touched, size, anonymous] = [0, 0, false];
  for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) anonymous = line.trimEnd().endsWith(' 0');
    const [, field, kilobytes] = /^(Size|Referenced): +(\d+) kB$/.exec(line) ?? [];
    if (field === 'Size') size = Number(kilobytes);
    else if (field === 'Referenced' && anonymous && size >= ARENA_KB) touched += 1024 * Number(kilobytes);
  }
  return touched;
}

function gigabytes(bytes: number): string {
  return bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
