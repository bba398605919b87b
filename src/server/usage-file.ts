/** Keeps what keys have used today in a file, so that a restart does not forget it. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readText } from '../formats/file.js';
import { parseJson } from '../formats/json.js';
import { type DayUsage, LocalLimiter } from './limits.js';

const schema = z.object({ day: z.int(), tokens: z.record(z.string(), z.number().min(0)) });

/** A change is on disk after this many milliseconds. */
const DELAY_MS = 1_000;

export class UsageFile implements Disposable {
  readonly limiter: LocalLimiter;
  readonly #folder: string;
  readonly #report: (error: unknown) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `report` hears when the disk refuses; limits hold without it. */
  constructor(folder: string, report: (error: unknown) => void) {
    this.#folder = folder;
    this.#report = report;
    this.limiter = new LocalLimiter({ used: this.#read(), onUse: () => this.#later() });
  }

  /** Writes what is not written yet. */
  [Symbol.dispose](): void {
    if (this.#timer) this.#write();
  }

  #later(): void {
    this.#timer ??= setTimeout(() => this.#write(), DELAY_MS).unref();
  }

  #read(): DayUsage | undefined {
    const text = readText(join(this.#folder, 'usage.json'));
    try {
      return text === undefined ? undefined : schema.parse(parseJson(text));
    } catch (error) {
      // A damaged count is begun anew, as at midnight.
      this.#report(error);
      return undefined;
    }
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const file = join(this.#folder, 'usage.json');
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      writeFileSync(`${file}.tmp`, JSON.stringify(this.limiter.used), { mode: 0o600 });
      renameSync(`${file}.tmp`, file);
    } catch (error) {
      this.#report(error);
    }
  }
}
