/**
 * The input of a batch: a file of JSON lines, each a request with an id of its client's. Checked once from start to
 * end; after that lines are read where they lie, so that fifty thousand of them take little memory.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { parseJson } from '../../../formats/json.js';
import type { BatchFault } from './batch.js';
import { eachLine } from './lines.js';

/** OpenAI's limits. */
const LINES = 50_000;
const LINE_BYTES = 16 << 20;
const CUSTOM_ID = 512;
/** Faults that are told of one file. */
const FAULTS = 100;

export interface BatchLine {
  customId: string;
  body: object;
}

export interface CheckedInput {
  /** Byte offsets: line i lies from offsets[i] to ends[i]. */
  offsets: number[];
  ends: number[];
  faults: BatchFault[];
}

/** Reads the whole file and says where its lines are, or what is wrong with it. */
export async function checkInput(path: string, endpoint: string, signal: AbortSignal): Promise<CheckedInput> {
  const checked: CheckedInput = { offsets: [], ends: [], faults: [] };
  const ids = new Set<string>();
  const fault = (code: string, message: string, line: number | null, param: string | null = null) => {
    if (checked.faults.length < FAULTS) checked.faults.push({ code, message, line, param });
  };
  let number = 0;
  for await (const { start, bytes } of eachLine(path, LINE_BYTES)) {
    signal.throwIfAborted();
    number++;
    if (bytes === undefined) {
      fault('line_too_long', `The line has more than ${LINE_BYTES} bytes.`, number);
      continue;
    }
    if (isBlank(bytes)) continue;
    if (checked.offsets.length === LINES) {
      fault('too_many_requests', `A batch has at most ${LINES} requests.`, number);
      break;
    }
    const line = readLine(bytes, endpoint);
    if ('fault' in line) fault(line.fault[0], line.fault[1], number, line.fault[2] ?? null);
    else if (ids.has(line.customId))
      fault('duplicate_custom_id', 'Another line has the same custom_id.', number, 'custom_id');
    else ids.add(line.customId);
    checked.offsets.push(start);
    checked.ends.push(start + bytes.length);
  }
  if (number === 0 || (checked.offsets.length === 0 && checked.faults.length === 0))
    fault('empty_file', 'The input file has no requests.', null);
  return checked;
}

/** Lines of a checked file, read where they lie. */
export class BatchInput {
  private constructor(
    private readonly file: FileHandle,
    private readonly lines: CheckedInput,
    private readonly endpoint: string,
  ) {}

  static async open(path: string, lines: CheckedInput, endpoint: string): Promise<BatchInput> {
    return new BatchInput(await open(path, 'r'), lines, endpoint);
  }

  get length(): number {
    return this.lines.offsets.length;
  }

  async line(index: number): Promise<BatchLine> {
    const from = this.lines.offsets[index];
    const bytes = Buffer.alloc(this.lines.ends[index] - from);
    await this.file.read(bytes, 0, bytes.length, from);
    const line = readLine(bytes, this.endpoint);
    if ('fault' in line) throw new Error(`line ${index} of the input has changed`);
    return line;
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

type Fault = { fault: [code: string, message: string, param?: string] };

function readLine(bytes: Uint8Array, endpoint: string): BatchLine | Fault {
  let value: unknown;
  try {
    value = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return { fault: ['invalid_json_line', 'The line is not valid JSON in UTF-8.'] };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { fault: ['invalid_json_line', 'The line is not a JSON object.'] };
  const { custom_id: customId, method, url, body } = value as Record<string, unknown>;
  if (typeof customId !== 'string' || customId === '' || customId.length > CUSTOM_ID)
    return { fault: ['invalid_custom_id', `Expected a string of 1 to ${CUSTOM_ID} characters.`, 'custom_id'] };
  if (method !== 'POST') return { fault: ['invalid_method', 'Expected "POST".', 'method'] };
  if (url !== endpoint) return { fault: ['mismatched_url', `Expected the batch's endpoint, "${endpoint}".`, 'url'] };
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return { fault: ['invalid_body', 'Expected a JSON object.', 'body'] };
  if ((body as Record<string, unknown>).stream === true)
    return { fault: ['unsupported_parameter', 'Requests of a batch cannot be streamed.', 'body.stream'] };
  return { customId, body };
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
