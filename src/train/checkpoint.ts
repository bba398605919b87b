/**
 * Checkpoints of a run: everything that the next step depends on, so that a resumed run computes the same bits.
 * A checkpoint is a folder that appears whole or not at all (written beside, flushed to the disk, renamed); its files'
 * hashes stand in state.json, and one that does not match them is passed over for the one before.
 *
 *   step-00001200/weights.safetensors     trained tensors, float32, by name
 *                 optimizer.safetensors   what the optimiser remembers of each
 *                 state.json              step, place in the data, hashes
 */
import { createHash, type Hash } from 'node:crypto';
import { mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KaiwenError } from '../errors.js';
import { RandomAccessFile, readText } from '../formats/file.js';
import { parseJson } from '../formats/json.js';
import { OutputFile, replaceTarget } from '../formats/output.js';
import { encodeHeader } from '../formats/safetensors-writer.js';
import type { Position } from './batches.js';
import type { Parameter, Trainable } from './trainable.js';

/** What a run is besides its weights. */
export interface RunState {
  /** Steps that are done. */
  step: number;
  position: Position;
  /** Targets that were learned from, weights counted. */
  tokens: number;
  /** Time spent computing, in this process and those before. */
  seconds: number;
  /** Bytes of metrics.jsonl that belong to these steps. */
  metricsBytes: number;
  /** Of the settings and data that the numbers depend on. */
  fingerprint: string;
  /** Lowest validation loss so far, and how many validations ago. */
  best?: { step: number; loss: number; since: number };
}

/** Bytes that go through the hash at a time. */
const PIECE = 8 << 20;
const FILES = ['weights.safetensors', 'optimizer.safetensors'] as const;

interface Stored {
  name: string;
  shape: readonly number[];
  dtype: 'f32';
  pointer: number;
}

export class Checkpoints {
  /** `stateBytes`: what the optimiser keeps beside each trained number. */
  constructor(
    readonly folder: string,
    private readonly stateBytes: number,
  ) {}

  /** Steps of which a checkpoint is there, ascending. */
  async steps(): Promise<number[]> {
    const names = await readdir(this.folder).catch(() => [] as string[]);
    return names.flatMap((name) => (/^step-\d+$/.test(name) ? [Number(name.slice(5))] : [])).sort((a, b) => a - b);
  }

  /**
   * Writes a checkpoint, then removes all but the newest `keep` and the best.
   * Throws KaiwenError 'io' if the disk refuses; those that were there are untouched then.
   */
  async save(model: Trainable, state: RunState, keep: number): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const files = this.#files(model.parameters);
    const bytes = files.reduce((sum, tensors) => sum + tensors.reduce((all, { shape }) => all + size(shape), 4096), 0);
    await replaceTarget(this.#path(state.step), { force: true, bytes }, async (temporary) => {
      await mkdir(temporary);
      const hashes: Record<string, string> = {};
      for (const [i, name] of FILES.entries())
        hashes[name] = await writeTensors(join(temporary, name), model, files[i]);
      await OutputFile.make(join(temporary, 'state.json'), (file) =>
        file.write(new TextEncoder().encode(`${JSON.stringify({ ...state, hashes }, null, 2)}\n`)),
      );
      await syncFolder(temporary);
    });
    await syncFolder(this.folder);
    await this.#prune(keep, state.best?.step);
  }

  /**
   * Reads the newest checkpoint that is whole into the model; undefined if there is none.
   * `onRefused` hears of each that is not. Throws 'bad_file' if all that are there are broken.
   */
  async restore(model: Trainable, onRefused: (reason: string) => void): Promise<RunState | undefined> {
    const steps = await this.steps();
    for (const step of steps.reverse()) {
      try {
        return this.read(model, step);
      } catch (error) {
        if (!(error instanceof KaiwenError) || error.code !== 'bad_file') throw error;
        onRefused(error.message);
      }
    }
    if (steps.length === 0) return undefined;
    throw new KaiwenError('bad_file', `${this.folder}: no checkpoint is whole.`, {
      remedy: 'Start the run again with --fresh.',
    });
  }

  /** Reads the checkpoint of a step into the model. Throws 'bad_file' if it is not what was written. */
  read(model: Trainable, step: number): RunState {
    const folder = this.#path(step);
    const { hashes, ...state } = readState(folder);
    for (const [i, tensors] of this.#files(model.parameters).entries()) {
      const path = join(folder, FILES[i]);
      if (readTensors(path, model, tensors) !== hashes[FILES[i]]) throw broken(path, 'its hash is another');
    }
    return state;
  }

  /** What a checkpoint says of its run, without its weights. */
  describe(step: number): RunState {
    const { hashes: _, ...state } = readState(this.#path(step));
    return state;
  }

  #path(step: number): string {
    return join(this.folder, `step-${String(step).padStart(8, '0')}`);
  }

  #files(parameters: readonly Parameter[]): [Stored[], Stored[]] {
    const words = this.stateBytes / 4;
    return [
      parameters.map(({ name, shape, pointer }) => ({ name, shape, dtype: 'f32', pointer })),
      words === 0
        ? []
        : parameters.map(({ name, n, state }) => ({ name, shape: [n * words], dtype: 'f32', pointer: state })),
    ];
  }

  async #prune(keep: number, best: number | undefined): Promise<void> {
    const old = (await this.steps()).slice(0, -keep).filter((step) => step !== best);
    for (const step of old) await rm(this.#path(step), { recursive: true, force: true });
    // What a run that was killed while it wrote has left.
    for (const name of await readdir(this.folder)) {
      if (/\.(tmp|old)$/.test(name)) await rm(join(this.folder, name), { recursive: true, force: true });
    }
  }
}

async function writeTensors(path: string, model: Trainable, tensors: readonly Stored[]): Promise<string> {
  const hash = createHash('sha256');
  await OutputFile.make(path, async (file) => {
    const write = async (bytes: Uint8Array): Promise<void> => {
      hash.update(bytes);
      await file.write(bytes);
    };
    await write(encodeHeader(tensors));
    for (const tensor of tensors) for (const piece of pieces(model, tensor)) await write(piece);
  });
  return hash.digest('hex');
}

/** Fills the tensors from a file; returns its hash. */
function readTensors(path: string, model: Trainable, tensors: readonly Stored[]): string {
  const hash = createHash('sha256');
  const file = openPart(path);
  try {
    let position = 0;
    const read = (bytes: Uint8Array, take: (hash: Hash) => void): void => {
      file.read(bytes, position);
      position += bytes.byteLength;
      take(hash);
    };
    const expected = encodeHeader(tensors);
    const header = new Uint8Array(expected.byteLength);
    read(header, () => hash.update(header));
    if (Buffer.compare(header, expected) !== 0) throw broken(path, "its tensors are not this model's");
    for (const tensor of tensors) for (const piece of pieces(model, tensor)) read(piece, () => hash.update(piece));
    if (position !== file.size) throw broken(path, `${file.size} bytes instead of ${position}`);
  } finally {
    file.close();
  }
  return hash.digest('hex');
}

function openPart(path: string): RandomAccessFile {
  try {
    return new RandomAccessFile(path);
  } catch (error) {
    if (error instanceof KaiwenError && error.code === 'not_found') throw broken(path, 'it is missing');
    throw error;
  }
}

function* pieces({ arena }: Trainable, { shape, pointer }: Stored): Generator<Uint8Array> {
  const bytes = size(shape);
  for (let done = 0; done < bytes; done += PIECE) yield arena.bytes(pointer + done, Math.min(PIECE, bytes - done));
}

function size(shape: readonly number[]): number {
  return 4 * shape.reduce((product, n) => product * n, 1);
}

function readState(folder: string): RunState & { hashes: Record<string, string> } {
  const path = join(folder, 'state.json');
  const text = readText(path);
  try {
    return parseJson(text!) as RunState & { hashes: Record<string, string> };
  } catch {
    throw broken(path, text === undefined ? 'it is missing' : 'it is no JSON');
  }
}

function broken(path: string, how: string): KaiwenError {
  return new KaiwenError('bad_file', `${path}: not what was written (${how}).`, {
    remedy: 'Remove the folder of this checkpoint: the one before is used then.',
  });
}

/** The names in a folder are on the disk only when the folder itself is flushed; not every system can. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

/** Writes a small JSON file whole or not at all. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await replaceTarget(path, { force: true }, (temporary) =>
    writeFile(temporary, `${JSON.stringify(value, null, 2)}\n`),
  );
}
