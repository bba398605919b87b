/** metrics.jsonl: one line a record, only ever appended to; a resumed run cuts off what its checkpoint does not know. */
import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, statSync, truncateSync } from 'node:fs';
import { ioError } from '../formats/output.js';

export class MetricsLog {
  /** Length of the file with everything that was added. */
  bytes: number;
  #waiting = '';
  #written = performance.now();

  /** Goes on with the file at `path`, or makes it. Throws KaiwenError 'io' if the disk refuses. */
  constructor(readonly path: string) {
    this.bytes = existsSync(path) ? statSync(path).size : 0;
  }

  add(record: object): void {
    const line = `${JSON.stringify(record)}\n`;
    this.#waiting += line;
    this.bytes += Buffer.byteLength(line);
    if (performance.now() - this.#written > 1000) this.#write();
  }

  /** Everything that was added is on the disk when it returns. */
  async flush(): Promise<void> {
    this.#write();
    if (!existsSync(this.path)) return;
    const file = openSync(this.path, 'r');
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  /** Forgets everything after the first `bytes` bytes. */
  truncate(bytes: number): void {
    this.#waiting = '';
    if (existsSync(this.path) && statSync(this.path).size > bytes) truncateSync(this.path, bytes);
    this.bytes = existsSync(this.path) ? statSync(this.path).size : 0;
  }

  #write(): void {
    this.#written = performance.now();
    if (this.#waiting === '') return;
    try {
      appendFileSync(this.path, this.#waiting);
    } catch (error) {
      throw ioError(error, this.path);
    }
    this.#waiting = '';
  }
}
