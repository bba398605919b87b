/**
 * The safetensors format: eight bytes of header length (little endian), a JSON header that names each tensor's
 * type, shape and place, then the data. https://github.com/huggingface/safetensors#format
 * Nothing is allocated on the header's word: its length is bounded by the file and by 100 MB, every offset is
 * checked, and the tensors must cover the data exactly once, as the format demands.
 */
import { KaiwenError } from '../errors.js';
import { RandomAccessFile, truncated } from './file.js';
import { parseJson } from './json.js';
import { label } from './label.js';
import { HALF } from './quant/half.js';

/** Bytes of an element of each type that the format knows. */
// biome-ignore format: a table reads best in few lines
const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  F64: 8, I64: 8, U64: 8, C64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, I16: 2, U16: 2,
  I8: 1, U8: 1, BOOL: 1, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1, F8_E4M3FNUZ: 1, F8_E5M2FNUZ: 1,
};

/** The format's own limit, which its reference implementation enforces too. */
const HEADER_LIMIT = 100_000_000;

export interface SafetensorsEntry {
  readonly name: string;
  /** As the file spells it: 'F32', 'BF16', … */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Where the data start in the file, and how many bytes they are. */
  readonly offset: number;
  readonly byteLength: number;
}

export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  /** The free text pairs under `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Reads and checks a header. Throws 'bad_file' naming the file and the tensor. */
export function parseSafetensors(file: RandomAccessFile): SafetensorsHeader {
  const bad = (what: string): KaiwenError =>
    new KaiwenError('bad_file', `${file.path}: ${what}.`, { remedy: 'Download or write the file again.' });
  if (file.size < 8) throw truncated(file.path, 8, file.size);
  const prefix = new Uint8Array(8);
  file.read(prefix, 0);
  const headerBytes = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (headerBytes > HEADER_LIMIT) throw bad(`not a safetensors file (its header would have ${headerBytes} bytes)`);
  const dataStart = 8 + headerBytes;
  if (dataStart > file.size) throw truncated(file.path, dataStart, file.size);
  const json = new Uint8Array(headerBytes);
  file.read(json, 8);

  let header: unknown;
  try {
    header = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch (error) {
    throw new KaiwenError('bad_file', `${file.path}: not a safetensors file (its header is no JSON text).`, {
      remedy: 'Download or write the file again.',
      cause: error,
    });
  }
  if (!isRecord(header)) throw bad('the header is no JSON object');

  const entries = new Map<string, SafetensorsEntry>();
  const metadata: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isRecord(value)) throw bad('__metadata__ is no object');
      for (const [key, text] of Object.entries(value)) metadata[key] = String(text);
      continue;
    }
    const which = `tensor '${label(name)}'`;
    if (!isRecord(value)) throw bad(`${which} is no object`);
    const { dtype, shape, data_offsets: offsets } = value;
    if (typeof dtype !== 'string') throw bad(`${which} has no dtype`);
    if (!Object.hasOwn(ELEMENT_BYTES, dtype)) {
      throw new KaiwenError('unsupported', `${file.path}: ${which} has the unknown type ${label(dtype)}.`, {
        remedy: 'Use a checkpoint in F32, F16 or BF16.',
      });
    }
    if (!isCounts(shape)) throw bad(`${which} has a shape that is no list of sizes`);
    if (!isCounts(offsets) || offsets.length !== 2 || offsets[1]! < offsets[0]!) {
      throw bad(`${which} has data_offsets that are no range`);
    }
    const elements = shape.reduce((product, size) => product * size, 1);
    const byteLength = elements * ELEMENT_BYTES[dtype]!;
    if (offsets[1]! - offsets[0]! !== byteLength) {
      throw bad(
        `${which}: ${offsets[1]! - offsets[0]!} bytes, but ${dtype} [${label(shape.join(', '))}] has ${byteLength}`,
      );
    }
    entries.set(name, { name, dtype, shape, offset: dataStart + offsets[0]!, byteLength });
  }

  let end = dataStart;
  for (const entry of [...entries.values()].sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength)) {
    const which = `tensor '${label(entry.name)}'`;
    if (entry.offset < end) throw bad(`${which} overlaps another`);
    if (entry.offset > end) throw bad(`bytes before ${which} belong to no tensor`);
    end = entry.offset + entry.byteLength;
    if (end > file.size) throw truncated(file.path, end, file.size);
  }
  if (end < file.size) throw bad(`${file.size - end} bytes at its end belong to no tensor`);
  return { entries, metadata };
}

export type SafetensorsData = Float32Array | BigInt64Array | Int32Array;

/**
 * Reads a whole small file for tests and tools: F32, F16 and BF16 become Float32Array, I64 BigInt64Array,
 * I32 Int32Array.
 */
export function readSafetensors(
  path: string,
): Map<string, { dtype: string; shape: readonly number[]; data: SafetensorsData }> {
  const file = new RandomAccessFile(path);
  try {
    const result = new Map<string, { dtype: string; shape: readonly number[]; data: SafetensorsData }>();
    for (const { name, dtype, shape, offset, byteLength } of parseSafetensors(file).entries.values()) {
      const bytes = new Uint8Array(byteLength);
      file.read(bytes, offset);
      result.set(name, { dtype, shape, data: decode(path, name, dtype, bytes) });
    }
    return result;
  } finally {
    file.close();
  }
}

function decode(path: string, name: string, dtype: string, bytes: Uint8Array<ArrayBuffer>): SafetensorsData {
  switch (dtype) {
    case 'F32':
      return new Float32Array(bytes.buffer);
    case 'I64':
      return new BigInt64Array(bytes.buffer);
    case 'I32':
      return new Int32Array(bytes.buffer);
    case 'BF16':
      return Float32Array.from(new Uint16Array(bytes.buffer), bf16ToNumber);
    case 'F16':
      return Float32Array.from(new Uint16Array(bytes.buffer), (bits) => HALF[bits]!);
    default:
      throw new KaiwenError('unsupported', `${path}: tensor '${name}' has type ${dtype}.`);
  }
}

const scratch = new DataView(new ArrayBuffer(4));

/** bfloat16 is the upper half of a float32. */
function bf16ToNumber(bits: number): number {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((x) => Number.isSafeInteger(x) && x >= 0);
}
