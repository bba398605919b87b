/**
 * Where a model comes from: base, data, settings, seed and the code that trained it. Written as lineage.json beside the
 * weights and taken over into the lineage of whatever is trained from them.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Checkpoint, JsonObject } from '../formats/checkpoint.js';
import { parseObject } from '../formats/config.js';
import { isFolder, RandomAccessFile, readText } from '../formats/file.js';
import { openCheckpoint } from '../formats/open.js';

export const LINEAGE_FILE = 'lineage.json';

export interface Lineage {
  format: 'kaiwen-lineage';
  version: 1;
  /** ISO 8601. */
  created: string;
  /** How it was made: pretrain, sft, dpo, distill, merge, … */
  method: string;
  base?: LineageBase;
  data: LineageData[];
  /** The run's settings, defaults filled in. */
  settings: JsonObject;
  seed: number;
  /** Steps, tokens, losses: what the run says of itself. */
  results?: JsonObject;
  code: { name: 'kaiwen'; version: string; commit?: string };
}

export interface LineageBase {
  name: string;
  /** SHA-256 over configuration and weights. */
  hash: string;
  licence?: string;
  lineage?: Lineage;
}

export interface LineageData {
  name: string;
  hash: string;
  documents?: number;
  tokens?: number;
  licence?: string;
  source?: string;
}

/** Completes what a run knows with the time and the version of this program. */
export function newLineage(parts: Omit<Lineage, 'format' | 'version' | 'created' | 'code'>): Lineage {
  const created = new Date().toISOString();
  return { format: 'kaiwen-lineage', version: 1, created, ...parts, code: codeVersion() };
}

/** The lineage beside a model or adapter, if it has one. Throws KaiwenError 'bad_file'. */
export function readLineage(path: string): Lineage | undefined {
  const file = join(isFolder(path) ? path : dirname(path), LINEAGE_FILE);
  const text = readText(file);
  if (text === undefined) return undefined;
  const lineage = parseObject(text, file) as unknown as Lineage;
  return lineage.format === 'kaiwen-lineage' ? lineage : undefined;
}

/** A model as the base of another. Reads all its weights once. */
export function describeBase(path: string): LineageBase {
  using checkpoint = openCheckpoint(path);
  const { licence } = checkpoint;
  const lineage = readLineage(path);
  const name = basename(resolve(path)).replace(/\.(?:gguf|safetensors)$/i, '');
  return { name, hash: hashOf(checkpoint), ...(licence && { licence }), ...(lineage && { lineage }) };
}

function hashOf(checkpoint: Checkpoint): string {
  const hash = createHash('sha256').update(JSON.stringify(checkpoint.config));
  const piece = new Uint8Array(8 << 20);
  for (const path of new Set([...checkpoint.tensors.values()].map(({ file }) => file))) {
    const file = new RandomAccessFile(path);
    try {
      for (let at = 0; at < file.size; at += piece.length) {
        const bytes = piece.subarray(0, Math.min(piece.length, file.size - at));
        file.read(bytes, at);
        hash.update(bytes);
      }
    } finally {
      file.close();
    }
  }
  return hash.digest('hex');
}

function codeVersion(): Lineage['code'] {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const commit = commitOf(join(root, '.git'));
  return { name: 'kaiwen', version, ...(commit && { commit }) };
}

/** The commit that a checkout stands at, as git keeps it; absent where the program was installed. */
function commitOf(git: string): string | undefined {
  try {
    // In a linked worktree .git is a file that names the folder.
    const folder = isFolder(git) ? git : resolve(dirname(git), /^gitdir: (.+)$/m.exec(readFileSync(git, 'utf8'))![1]);
    const head = readFileSync(join(folder, 'HEAD'), 'utf8').trim();
    const ref = /^ref: (.+)$/.exec(head)?.[1];
    if (ref === undefined) return head;
    const common = existsSync(join(folder, 'commondir'))
      ? resolve(folder, readFileSync(join(folder, 'commondir'), 'utf8').trim())
      : folder;
    if (existsSync(join(common, ref))) return readFileSync(join(common, ref), 'utf8').trim();
    const packed = readFileSync(join(common, 'packed-refs'), 'utf8').split('\n');
    return packed.find((line) => line.endsWith(` ${ref}`))?.split(' ')[0];
  } catch {
    return undefined;
  }
}
