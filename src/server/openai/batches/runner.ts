/**
 * Carries batches out beside the requests of people who wait. Everything needed to go on lies on disk: the batch's
 * document, its input, the journal of results. A server that is started again finds the batches that were not over and
 * goes on with the lines that have no result.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../../formats/file.js';
import { HttpError } from '../../http-error.js';
import type { Service } from '../../service.js';
import { isId, newId, readAllJson, releaseFolder, takeFolder, writeJson } from '../../storage.js';
import type { FileStore, StoredFile } from '../files/store.js';
import { type Batch, type BatchCounts, type BatchStatus, isOver } from './batch.js';
import { BatchInput, checkInput } from './input.js';
import { Journal, type JournalEntry } from './journal.js';

/** Lines of one batch, and batches, that are under way at once. */
const LINES_AT_ONCE = 8;
const BATCHES_AT_ONCE = 4;
/** Between attempts to go on where the disk is full, the server overloaded or a key at its limit. */
const PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

const PREFIX = 'batch_';

export interface NewBatch {
  endpoint: string;
  input: StoredFile;
  metadata: Record<string, string> | null;
  owner?: string;
}

interface Job {
  batch: Batch;
  counts: () => BatchCounts;
  cancel: AbortController;
}

export class BatchRunner {
  readonly #jobs = new Map<string, Job>();
  readonly #queue: Job[] = [];
  #running = 0;
  #hasFolder = false;

  constructor(
    private readonly service: Service,
    private readonly files: FileStore,
    private readonly folder: string,
  ) {}

  /** Finds the batches of earlier times and goes on with those that were not over. */
  async resume(): Promise<void> {
    const found = await readAllJson<Batch & { counts?: BatchCounts }>(this.folder);
    for (const { counts = { completed: 0, failed: 0 }, ...batch } of found) {
      if (this.#jobs.has(batch.id)) continue;
      const job = { batch, counts: () => counts, cancel: new AbortController() };
      this.#jobs.set(batch.id, job);
      if (batch.status === 'cancelling') job.cancel.abort();
    }
    const open = [...this.#jobs.values()].filter(({ batch }) => !isOver(batch));
    if (open.length > 0 && this.#takeFolder()) for (const job of open) this.#enqueue(job);
  }

  async create({ endpoint, input, metadata, owner }: NewBatch): Promise<Job> {
    makeFolder(this.folder);
    if (!this.#takeFolder()) {
      throw new HttpError(503, 'data_folder_in_use', 'Another server carries out the batches of this data folder.');
    }
    const created = seconds();
    const batch: Batch = {
      id: newId(PREFIX),
      endpoint,
      input: input.id,
      metadata,
      created,
      expires: created + 86_400,
      ...(owner !== undefined && { owner }),
      status: 'validating',
      times: {},
      faults: [],
      total: 0,
    };
    await writeJson(this.#path(batch), batch);
    const job = { batch, counts: () => ({ completed: 0, failed: 0 }), cancel: new AbortController() };
    this.#jobs.set(batch.id, job);
    this.#enqueue(job);
    return job;
  }

  /** Throws HttpError 404 if `owner` has no such batch. */
  get(id: string, owner: string | undefined): Job {
    const job = isId(PREFIX, id) ? this.#jobs.get(id) : undefined;
    if (job && job.batch.owner === owner) return job;
    throw new HttpError(404, 'batch_not_found', `There is no batch '${id.slice(0, 100)}'.`, { param: 'batch_id' });
  }

  /** The newest first. */
  list(owner: string | undefined): Job[] {
    const own = [...this.#jobs.values()].filter(({ batch }) => batch.owner === owner);
    return own.sort((a, b) => b.batch.created - a.batch.created || (a.batch.id < b.batch.id ? -1 : 1));
  }

  /** Throws HttpError 409 if it is over. What has been done stays, in the output file. */
  async cancel(job: Job): Promise<void> {
    if (isOver(job.batch) || job.batch.status === 'finalizing')
      throw new HttpError(409, 'batch_not_cancellable', `The batch is ${job.batch.status} already.`);
    if (job.batch.status !== 'cancelling') await this.#enter(job, 'cancelling');
    job.cancel.abort();
  }

  /** Two servers on one folder would do the same lines twice. */
  #takeFolder(): boolean {
    if (!this.#hasFolder && takeFolder(this.folder)) {
      this.#hasFolder = true;
      this.service.lifecycle.stopping.addEventListener('abort', () => this.#leaveFolder());
    }
    return this.#hasFolder;
  }

  #leaveFolder(): void {
    if (this.#running === 0) releaseFolder(this.folder);
  }

  #enqueue(job: Job): void {
    this.#queue.push(job);
    this.#next();
  }

  #next(): void {
    while (this.#running < BATCHES_AT_ONCE && this.#queue.length > 0) {
      const job = this.#queue.shift()!;
      this.#running++;
      void this.#run(job).finally(() => {
        this.#running--;
        if (!this.service.lifecycle.draining) this.#next();
        else this.#leaveFolder();
      });
    }
  }

  /** Never rejects. */
  async #run(job: Job): Promise<void> {
    const { batch, cancel } = job;
    const { stopping } = this.service.lifecycle;
    try {
      const path = this.files.path({ id: batch.input } as StoredFile);
      const checked = existsSync(path)
        ? await checkInput(path, batch.endpoint, stopping)
        : { offsets: [], ends: [], faults: [fault('input_file_missing', 'The input file has been deleted.')] };
      if (checked.faults.length > 0) {
        batch.faults = checked.faults;
        await this.#enter(job, 'failed');
        return;
      }
      batch.total = checked.offsets.length;
      if (batch.status === 'validating') await this.#enter(job, 'in_progress');
      const input = await BatchInput.open(path, checked, batch.endpoint);
      const journal = await Journal.open(this.#journal(batch));
      job.counts = () => ({ completed: journal.completed, failed: journal.failed });
      try {
        await this.#answerAll(job, input, journal);
        if (stopping.aborted) return;
        const end = cancel.signal.aborted ? 'cancelled' : journal.done.size < batch.total ? 'expired' : 'completed';
        await this.#finish(job, input, journal, end);
      } finally {
        await input.close();
        await journal.close();
      }
      await rm(this.#journal(batch), { force: true });
    } catch (error) {
      if (stopping.aborted) return;
      this.service.report(error);
      batch.faults = [fault('internal_error', 'The batch could not be carried out; the server log says why.')];
      await this.#enter(job, 'failed').catch(this.service.report);
    }
  }

  /** Until every line has its result, or the batch is cancelled or expires, or the server stops. */
  async #answerAll(job: Job, input: BatchInput, journal: Journal): Promise<void> {
    const { batch, cancel } = job;
    const expired = AbortSignal.timeout(Math.max(0, Math.min(batch.expires * 1000 - Date.now(), 2 ** 31 - 1)));
    const signal = AbortSignal.any([cancel.signal, expired, this.service.lifecycle.stopping]);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (!signal.aborted) {
        while (next < input.length && journal.done.has(next)) next++;
        if (next >= input.length) return;
        const line = next++;
        const entry = await this.#answer(batch, input, line, signal);
        if (entry) await this.#keep(job, journal, entry, signal);
      }
    };
    await Promise.all(Array.from({ length: LINES_AT_ONCE }, worker));
  }

  /** The line's result; nothing if `signal` came first. */
  async #answer(batch: Batch, input: BatchInput, line: number, signal: AbortSignal): Promise<JournalEntry | undefined> {
    const { customId, body } = await input.line(line);
    for (let pause = PAUSE_MS; !signal.aborted; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      const request = new Request(`http://localhost${batch.endpoint}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal,
      });
      const response = await this.service.dispatch(request, batch.owner);
      const text = await response.text();
      if (signal.aborted) return;
      // It is not the line's fault: the server is full, starts anew, or the key has used up its minute.
      if (response.status === 429 || response.status === 503) {
        await sleep(Math.max(pause, 1000 * Number(response.headers.get('retry-after') ?? 0)), signal);
        continue;
      }
      const ok = response.status === 200;
      const answer = {
        status_code: response.status,
        request_id: response.headers.get('x-request-id') ?? '',
        body: JSON.parse(text),
      };
      return { line, ok, result: { id: newId('batch_req_'), custom_id: customId, response: answer, error: null } };
    }
    return undefined;
  }

  /** Puts a result into the journal; where there is no room, as soon as there is. */
  async #keep(job: Job, journal: Journal, entry: JournalEntry, signal: AbortSignal): Promise<void> {
    for (let pause = PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        await journal.append(entry);
        job.batch.faults = [];
        return;
      } catch (error) {
        this.#waitForDisk(job, error);
        if (signal.aborted) return;
        await sleep(pause, signal);
      }
    }
  }

  /** Says what the batch waits for; where the server is out of room this is in memory only. */
  #waitForDisk({ batch }: Job, error: unknown): void {
    const code = (error as NodeJS.ErrnoException).code ?? 'EIO';
    if (batch.faults.length === 0) this.service.report(error);
    batch.faults = [fault('disk_full', `The server cannot store results (${code}); the batch waits and goes on.`)];
  }

  /** Writes the result files from the journal. Their ids follow from the batch's: done again, they are the same files. */
  async #finish(job: Job, input: BatchInput, journal: Journal, end: BatchStatus): Promise<void> {
    const { batch } = job;
    const unanswered = end === 'completed' ? [] : range(batch.total).filter((line) => !journal.done.has(line));
    if (end === 'completed') await this.#persist(() => this.#enter(job, 'finalizing'), job);
    const write = async (kind: 'output' | 'errors', ok: boolean, rest: readonly number[]) => {
      const id = `file-${batch.id.slice(PREFIX.length, -1)}${kind === 'output' ? '0' : '1'}`;
      const label = { id, filename: `${batch.id}_${kind}.jsonl`, purpose: 'batch_output', owner: batch.owner };
      await this.#persist(
        () =>
          this.files.add(label, async (file) => {
            for await (const entry of journal.entries())
              if (entry.ok === ok) await file.write(`${JSON.stringify(entry.result)}\n`);
            for (const line of rest) await file.write(`${JSON.stringify(await left(input, line, end))}\n`);
          }),
        job,
      );
      batch[kind] = id;
    };
    if (journal.completed > 0) await write('output', true, []);
    if (journal.failed + unanswered.length > 0) await write('errors', false, unanswered);
    await this.#persist(() => this.#enter(job, end), job);
  }

  /** Tries until there is room. */
  async #persist(action: () => Promise<unknown>, job: Job): Promise<void> {
    const { stopping } = this.service.lifecycle;
    for (let pause = PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        await action();
        job.batch.faults = [];
        return;
      } catch (error) {
        if (stopping.aborted) throw error;
        this.#waitForDisk(job, error);
        await sleep(pause, stopping);
      }
    }
  }

  async #enter(job: Job, status: BatchStatus): Promise<void> {
    const { batch } = job;
    const next = { ...batch, status, times: { ...batch.times, [status]: seconds() } };
    await writeJson(this.#path(batch), { ...next, counts: job.counts() });
    Object.assign(batch, next);
    if (isOver(batch)) {
      const counts = job.counts();
      job.counts = () => counts;
    }
  }

  #path({ id }: Batch): string {
    return join(this.folder, `${id}.json`);
  }

  #journal({ id }: Batch): string {
    return join(this.folder, `${id}.journal`);
  }
}

/** What stands in the error file for a line that was never answered. */
async function left(input: BatchInput, line: number, end: BatchStatus): Promise<object> {
  const { customId } = await input.line(line);
  const error =
    end === 'expired'
      ? { code: 'batch_expired', message: 'The batch expired before this request was answered.' }
      : { code: 'batch_cancelled', message: 'The batch was cancelled before this request was answered.' };
  return { id: newId('batch_req_'), custom_id: customId, response: null, error };
}

function fault(code: string, message: string) {
  return { code, message, line: null, param: null };
}

const seconds = (): number => Math.floor(Date.now() / 1000);
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Ends early, without an error, when `signal` says so. Keeps no process alive. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    timer.unref();
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}
