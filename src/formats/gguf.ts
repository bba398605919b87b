/**
 * The GGUF format, versions 2 and 3, little endian: a header of metadata and tensor descriptions, then aligned
 * data. https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 * The header is read through a small window. Every count and length is compared with the bytes that are left in
 * the file before anything is allocated for it. This module knows bytes, not models: names and conventions are
 * translated in gguf-names.ts and gguf-config.ts.
 */
import { KaiwenError } from '../errors.js';
import { byteLength, DTYPES, type DType } from '../tensor/dtype.js';
import { type RandomAccessFile, truncated } from './file.js';
import { label } from './label.js';

/** Metadata value types by the number that stands in the file. */
// biome-ignore format: a table reads best in few lines
export const GGUF_TYPES = {
  u8: 0, i8: 1, u16: 2, i16: 3, u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10, i64: 11, f64: 12,
} as const;

/** 'GGUF' read as a little-endian number. */
export const GGUF_MAGIC = 0x46554747;
export const GGUF_DEFAULT_ALIGNMENT = 32;

export interface GgufTensor {
  readonly name: string;
  readonly dtype: DType;
  /** Row-major, outermost first (the file lists dimensions innermost first). */
  readonly shape: readonly number[];
  /** Where the data start in the file, and how many bytes they are. */
  readonly offset: number;
  readonly byteLength: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly alignment: number;
  /** Numbers, strings, booleans and arrays of them; 64-bit integers beyond 2^53 are bigints. No prototype. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

const WINDOW = 1 << 20;
/** Longest key, longest tensor name (the format says 64), longest string, most elements of an array, deepest array of arrays. */
const KEY_LIMIT = 65_535;
const NAME_LIMIT = 1024;
const STRING_LIMIT = 64 * 2 ** 20;
const ARRAY_LIMIT = 2 ** 24;
/** Arrays of strings up to this length are always read. */
const SHORT_ARRAY = 64;
const DEPTH_LIMIT = 4;
const ALIGNMENT_LIMIT = 2 ** 20;
/** ggml tensors have at most four dimensions. */
const DIMENSION_LIMIT = 4;

/** Bytes that a value of each type takes at least. */
const LEAST_BYTES: readonly number[] = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8];

const DTYPE_BY_NUMBER = new Map<number, DType>(Object.entries(DTYPES).map(([name, { gguf }]) => [gguf, name as DType]));

/** Names of ggml's other types, for messages. */
// biome-ignore format: a table reads best in few lines
const OTHER_TYPES: Readonly<Record<number, string>> = {
  9: 'Q8_1', 15: 'Q8_K', 16: 'IQ2_XXS', 17: 'IQ2_XS', 18: 'IQ3_XXS', 19: 'IQ1_S', 20: 'IQ4_NL', 21: 'IQ3_S',
  22: 'IQ2_S', 23: 'IQ4_XS', 24: 'I8', 25: 'I16', 26: 'I32', 27: 'I64', 28: 'F64', 29: 'IQ1_M', 34: 'TQ1_0',
  35: 'TQ2_0', 39: 'MXFP4',
};

/** Whether a file begins as GGUF does. */
export function isGguf(file: RandomAccessFile): boolean {
  if (file.size < 4) return false;
  const magic = new Uint8Array(4);
  file.read(magic, 0);
  return new DataView(magic.buffer).getUint32(0, true) === GGUF_MAGIC;
}

/**
 * Reads and checks a header. Throws 'bad_file' or 'unsupported', naming the file and the field. Without `vocabulary`,
 * long arrays of strings keep their length but not their elements: who only computes has no use for 300,000 of them.
 */
export function parseGguf(file: RandomAccessFile, vocabulary = true): GgufHeader {
  const cursor = new Cursor(file, vocabulary);
  if (cursor.u32() !== GGUF_MAGIC) throw cursor.bad('not a GGUF file');
  const version = cursor.u32();
  if (version !== 2 && version !== 3) {
    const bigEndian = version === 0x02000000 || version === 0x03000000;
    throw new KaiwenError(
      'unsupported',
      `${file.path}: GGUF ${bigEndian ? 'in big-endian order' : `version ${version}`}.`,
      {
        remedy: 'Use a little-endian file of version 2 or 3.',
      },
    );
  }
  const tensorCount = cursor.count('tensors', 24);
  const pairCount = cursor.count('metadata pairs', 13);
  const metadata = readMetadata(cursor, pairCount);
  const alignment = metadata['general.alignment'] ?? GGUF_DEFAULT_ALIGNMENT;
  if (!isPowerOfTwo(alignment) || alignment > ALIGNMENT_LIMIT) {
    throw cursor.bad(`general.alignment is ${label(alignment)}, not a power of two`);
  }
  const tensors = readTensors(cursor, tensorCount, alignment);
  return { version, alignment, metadata, tensors };
}

function readMetadata(cursor: Cursor, count: number): Record<string, unknown> {
  const metadata: Record<string, unknown> = Object.create(null);
  for (let i = 0; i < count; i++) {
    const key = cursor.string(`metadata key ${i}`, KEY_LIMIT);
    if (key in metadata) throw cursor.bad(`metadata key '${label(key)}' occurs twice`);
    metadata[key] = cursor.value(cursor.u32(), key, 0);
  }
  return metadata;
}

function readTensors(cursor: Cursor, count: number, alignment: number): Map<string, GgufTensor> {
  const file = cursor.file;
  const tensors = new Map<string, GgufTensor>();
  for (let i = 0; i < count; i++) {
    const name = cursor.string(`name of tensor ${i}`, NAME_LIMIT);
    const which = `tensor '${label(name)}'`;
    if (tensors.has(name)) throw cursor.bad(`${which} occurs twice`);
    const dimensions = cursor.u32();
    if (dimensions < 1 || dimensions > DIMENSION_LIMIT) throw cursor.bad(`${which} has ${dimensions} dimensions`);
    const shape: number[] = [];
    for (let d = 0; d < dimensions; d++) shape.unshift(cursor.u64());
    const type = cursor.u32();
    const dtype = DTYPE_BY_NUMBER.get(type);
    if (!dtype) {
      throw new KaiwenError(
        'unsupported',
        `${file.path}: ${which} has the type ${OTHER_TYPES[type] ?? `number ${type}`}, which Kaiwen does not read.`,
        { remedy: `Use a file quantised as one of ${Object.keys(DTYPES).join(', ')}.` },
      );
    }
    const { block } = DTYPES[dtype];
    const elements = shape.reduce((product, size) => product * size, 1);
    // Doubles overflow gently: a product that is too large stays too large.
    if (!(elements > 0 && elements <= file.size * block))
      throw cursor.bad(`${which} has the shape [${shape.join(', ')}]`);
    if (shape.at(-1)! % block !== 0) {
      throw cursor.bad(`${which}: rows of ${shape.at(-1)} are no whole number of ${dtype} blocks of ${block}`);
    }
    const offset = cursor.u64();
    if (offset % alignment !== 0) throw cursor.bad(`${which} starts at ${offset}, no multiple of ${alignment}`);
    tensors.set(name, { name, dtype, shape, offset, byteLength: byteLength(dtype, elements) });
  }

  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  const placed = new Map<string, GgufTensor>();
  for (const tensor of tensors.values()) {
    const end = dataStart + tensor.offset + tensor.byteLength;
    if (end > file.size) throw truncated(`${file.path}: tensor '${label(tensor.name)}'`, end, file.size);
    placed.set(tensor.name, { ...tensor, offset: dataStart + tensor.offset });
  }
  let end = dataStart;
  for (const tensor of [...placed.values()].sort((a, b) => a.offset - b.offset)) {
    if (tensor.offset < end) throw cursor.bad(`tensor '${label(tensor.name)}' overlaps another`);
    end = tensor.offset + tensor.byteLength;
  }
  return placed;
}

/** Reads values one after the other through a window over the file. */
class Cursor {
  readonly file: RandomAccessFile;
  readonly #window: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  /** File position of the window's first byte, bytes in it, and bytes used up. */
  #start = 0;
  #filled = 0;
  #used = 0;

  constructor(
    file: RandomAccessFile,
    private readonly vocabulary: boolean,
  ) {
    this.file = file;
    this.#window = new Uint8Array(Math.min(WINDOW, file.size));
    this.#view = new DataView(this.#window.buffer);
  }

  get position(): number {
    return this.#start + this.#used;
  }

  get remaining(): number {
    return this.file.size - this.position;
  }

  bad(what: string): KaiwenError {
    return new KaiwenError('bad_file', `${this.file.path}: ${what}.`, {
      remedy: 'Download or convert the file again.',
    });
  }

  /** Makes the next `bytes` (at most the window's size) present; returns where they start in the window. */
  #take(bytes: number): number {
    if (bytes > this.remaining) throw truncated(this.file.path, this.position + bytes, this.file.size);
    if (this.#used + bytes > this.#filled) {
      this.#start = this.position;
      this.#used = 0;
      this.#filled = Math.min(this.#window.byteLength, this.file.size - this.#start);
      this.file.read(this.#window.subarray(0, this.#filled), this.#start);
    }
    const at = this.#used;
    this.#used += bytes;
    return at;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** An unsigned size; what no double can hold is far beyond any file and stays far beyond it. */
  u64(): number {
    const at = this.#take(8);
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
  }

  /** A number of things that take at least `bytes` each. */
  count(what: string, bytes: number): number {
    const count = this.u64();
    if (count * bytes > this.remaining) {
      throw this.bad(`${count} ${what} announced, but only ${this.remaining} bytes are left in the file`);
    }
    return count;
  }

  string(what: string, limit: number): string {
    const length = this.u64();
    if (length > Math.min(limit, this.remaining)) throw this.bad(`${label(what)} would have ${length} bytes`);
    if (length > this.#window.byteLength) {
      const bytes = new Uint8Array(length);
      this.file.read(bytes, this.position);
      this.#used += length;
      return new TextDecoder().decode(bytes);
    }
    const at = this.#take(length);
    return decodeShort(this.#window, at, at + length);
  }

  /** Passes over the next strings, at most `most`, that are in the window as a whole; calls `seen` with the place of each. */
  #pass(most: number, seen?: (at: number, length: number) => void): number {
    const view = this.#view;
    const filled = this.#filled;
    let at = this.#used;
    let count = 0;
    while (count < most && at + 8 <= filled) {
      const length = view.getUint32(at, true);
      if (at + 8 + length > filled || view.getUint32(at + 4, true) !== 0) break;
      seen?.(at, length);
      at += 8 + length;
      count++;
    }
    this.#used = at;
    return count;
  }

  /**
   * Many strings. Decoding each by itself takes most of the time that opening a file takes, so all in the window are decoded
   * as one, with SEPARATOR where their lengths were, and split there.
   */
  #strings(what: string, count: number): string[] {
    let values: string[] = [];
    while (values.length < count) {
      const start = this.#used;
      const lengths: number[] = [];
      const passed = this.#pass(count - values.length, (at, length) => {
        lengths.push(length);
        this.#view.setUint32(at, SEPARATOR_LOW, true);
        this.#view.setUint32(at + 4, SEPARATOR_HIGH, true);
      });
      if (passed === 0) {
        // This fetches the next window, or says what is wrong.
        values.push(this.string(what, STRING_LIMIT));
        continue;
      }
      let texts = utf8.decode(this.#window.subarray(start, this.#used)).split(SEPARATOR).slice(1);
      if (texts.length !== passed) {
        let at = start;
        texts = lengths.map((length) => {
          at += 8 + length;
          return decodeShort(this.#window, at - length, at);
        });
      }
      values = values.concat(texts);
    }
    return values;
  }

  #int32s(count: number, values: unknown[]): void {
    const view = this.#view;
    while (values.length < count) {
      const present = (this.#filled - this.#used) >> 2;
      const some = Math.min(count - values.length, Math.max(1, present));
      const start = this.#take(4 * some);
      for (let i = 0; i < some; i++) values.push(view.getInt32(start + 4 * i, true));
    }
  }

  #skipString(what: string): void {
    const length = this.u64();
    if (length > Math.min(STRING_LIMIT, this.remaining)) throw this.bad(`${label(what)} would have ${length} bytes`);
    if (length > this.#window.byteLength) this.#used += length;
    else this.#take(length);
  }

  value(type: number, key: string, depth: number): unknown {
    switch (type) {
      case GGUF_TYPES.u8:
        return this.#view.getUint8(this.#take(1));
      case GGUF_TYPES.i8:
        return this.#view.getInt8(this.#take(1));
      case GGUF_TYPES.u16:
        return this.#view.getUint16(this.#take(2), true);
      case GGUF_TYPES.i16:
        return this.#view.getInt16(this.#take(2), true);
      case GGUF_TYPES.u32:
        return this.u32();
      case GGUF_TYPES.i32:
        return this.#view.getInt32(this.#take(4), true);
      case GGUF_TYPES.f32:
        return this.#view.getFloat32(this.#take(4), true);
      case GGUF_TYPES.bool:
        return this.#view.getUint8(this.#take(1)) !== 0;
      case GGUF_TYPES.string:
        return this.string(key, STRING_LIMIT);
      case GGUF_TYPES.array:
        return this.#array(key, depth);
      case GGUF_TYPES.u64:
        return exact(this.#view.getBigUint64(this.#take(8), true));
      case GGUF_TYPES.i64:
        return exact(this.#view.getBigInt64(this.#take(8), true));
      case GGUF_TYPES.f64:
        return this.#view.getFloat64(this.#take(8), true);
      default:
        throw this.bad(`metadata '${label(key)}' has the unknown type ${type}`);
    }
  }

  #array(key: string, depth: number): unknown[] {
    if (depth >= DEPTH_LIMIT) throw this.bad(`metadata '${label(key)}' nests too many arrays`);
    const type = this.u32();
    const least = LEAST_BYTES[type];
    if (least === undefined) throw this.bad(`metadata '${label(key)}' has elements of the unknown type ${type}`);
    const count = this.count(`elements of '${label(key)}'`, least);
    if (count > ARRAY_LIMIT) throw this.bad(`metadata '${label(key)}' has ${count} elements`);
    if (type === GGUF_TYPES.string && count > SHORT_ARRAY) {
      if (this.vocabulary) return this.#strings(key, count);
      for (let i = 0; i < count; i++) {
        i += this.#pass(count - i);
        // It ends outside of the window.
        if (i < count) this.#skipString(key);
      }
      return new Array(count);
    }
    const values: unknown[] = [];
    // The kinds of a vocabulary's tokens, as many as there are tokens.
    if (type === GGUF_TYPES.i32) this.#int32s(count, values);
    for (let i = values.length; i < count; i++) values.push(this.value(type, key, depth + 1));
    return values;
  }
}

/**
 * Eight bytes of ASCII that end like none of their beginnings: in a text with this after each string it is found just there, unless a
 * string holds it whole.
 */
const SEPARATOR = '\x1c\x1d\x1e\x1f\x1f\x1e\x1d\x1d';
const SEPARATOR_LOW = 0x1f1e1d1c;
const SEPARATOR_HIGH = 0x1d1d1e1f;
const utf8 = new TextDecoder();

/** Most strings of a vocabulary are short ASCII, for which a call of TextDecoder costs more than the characters. */
function decodeShort(bytes: Uint8Array, from: number, to: number): string {
  if (to - from > 24) return utf8.decode(bytes.subarray(from, to));
  let text = '';
  for (let i = from; i < to; i++) {
    if (bytes[i] > 127) return utf8.decode(bytes.subarray(from, to));
    text += String.fromCharCode(bytes[i]);
  }
  return text;
}

function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function isPowerOfTwo(value: unknown): value is number {
  return typeof value === 'number' && value >= 1 && Number.isInteger(Math.log2(value));
}
