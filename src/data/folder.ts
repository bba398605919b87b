/**
 * A folder of prepared data: `train` and `validation` with shards, `datasheet.json`, and while it is being made
 * `work` with what a later run needs to go on. `prepare.json` says for which settings and files it is made, so that
 * nothing is mixed and what is finished is not made again.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KaiwenError } from '../errors.js';
import { makeFolder } from '../formats/file.js';
import type { Plan } from './scan.js';
import { bytesOf, writeWhole } from './shards.js';

export type FolderState = 'new' | 'working' | 'finished';

interface Marker {
  format: 'kaiwen-data';
  state: 'working' | 'finished';
  fingerprint: string;
}

export class DataFolder {
  readonly path: string;
  readonly train: string;
  readonly validation: string;
  readonly #fingerprint: string;
  readonly #work: string;

  /** @param fingerprint of the settings and files */
  constructor(path: string, fingerprint: string) {
    this.path = path;
    this.train = join(path, 'train');
    this.validation = join(path, 'validation');
    this.#work = join(path, 'work');
    this.#fingerprint = fingerprint;
  }

  /**
   * Makes the folder or finds what an earlier run left in it. `force`: what other settings or files left is removed.
   * Throws KaiwenError 'bad_input' if the folder holds something else.
   */
  async open(force: boolean): Promise<FolderState> {
    const names = await readdir(this.path).catch(() => []);
    const marker = this.#marker();
    if (marker?.fingerprint === this.#fingerprint && (marker.state === 'working' || !force)) {
      await this.#sweep();
      return marker.state;
    }
    if (names.length > 0 && !force) {
      const what = marker ? 'holds data that was prepared from other files or with other settings' : 'is not empty';
      throw new KaiwenError('bad_input', `${this.path} ${what}.`, {
        remedy: 'Choose another folder, or pass --force to replace it.',
      });
    }
    const ours = ['prepare.json', 'datasheet.json', 'train', 'validation', 'work'];
    for (const name of ours) await rm(join(this.path, name), { recursive: true, force: true });
    makeFolder(this.#work);
    await this.#mark('working');
    return 'new';
  }

  /** The plan of an earlier run, if it came so far. */
  readPlan(): Plan | undefined {
    const saved = this.#read<Omit<Plan, 'fates' | 'sourceOf'>>('plan.json');
    if (!saved) return undefined;
    const records = saved.report.records;
    const bytes = readFileSync(join(this.#work, 'plan.bin'));
    if (bytes.length !== records * 5) return undefined;
    const sourceOf = new Uint32Array(records);
    bytesOf(sourceOf).set(bytes.subarray(0, records * 4));
    return { ...saved, sourceOf, fates: new Uint8Array(bytes.subarray(records * 4)) };
  }

  async writePlan({ fates, sourceOf, ...rest }: Plan): Promise<void> {
    await writeWhole(join(this.#work, 'plan.bin'), [bytesOf(sourceOf), fates]);
    await this.#write(join(this.#work, 'plan.json'), rest);
  }

  readJournal<T>(): T | undefined {
    return this.#read<T>('journal.json');
  }

  async writeJournal(journal: unknown): Promise<void> {
    await this.#write(join(this.#work, 'journal.json'), journal);
  }

  /** @returns datasheet.json. Throws KaiwenError 'bad_file' */
  readDatasheet<T>(): T {
    const path = join(this.path, 'datasheet.json');
    try {
      return JSON.parse(readFileSync(path, 'utf8')) as T;
    } catch (cause) {
      throw new KaiwenError('bad_file', `${path}: cannot be read (${(cause as Error).message.slice(0, 80)}).`, {
        remedy: 'Prepare the data again with --force.',
        cause,
      });
    }
  }

  async finish(datasheet: unknown): Promise<void> {
    await this.#write(join(this.path, 'datasheet.json'), datasheet);
    await this.#mark('finished');
    await rm(this.#work, { recursive: true, force: true });
  }

  /** Removes what a killed run was writing. */
  async #sweep(): Promise<void> {
    for (const folder of [this.path, this.#work, this.train, this.validation]) {
      for (const name of await readdir(folder).catch(() => [])) {
        if (name.endsWith('.tmp')) await rm(join(folder, name), { force: true });
      }
    }
    if (this.#marker()?.state === 'working') await mkdir(this.#work, { recursive: true });
  }

  #marker(): Marker | undefined {
    const path = join(this.path, 'prepare.json');
    if (!existsSync(path)) return undefined;
    try {
      return JSON.parse(readFileSync(path, 'utf8')) as Marker;
    } catch {
      return undefined;
    }
  }

  async #mark(state: Marker['state']): Promise<void> {
    const marker: Marker = { format: 'kaiwen-data', state, fingerprint: this.#fingerprint };
    await this.#write(join(this.path, 'prepare.json'), marker);
  }

  #read<T>(name: string): T | undefined {
    const path = join(this.#work, name);
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : undefined;
  }

  async #write(path: string, value: unknown): Promise<void> {
    await writeWhole(path, [new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`)]);
  }
}
