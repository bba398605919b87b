/**
 * Writes GGUF version 3. The whole header comes first, so every tensor's type and shape is known beforehand;
 * the data then stream through, one piece at a time. This module knows bytes, not models.
 */
import { KaiwenError } from '../errors.js';
import { byteLength, DTYPES, type DType } from '../tensor/dtype.js';
import { GGUF_DEFAULT_ALIGNMENT, GGUF_MAGIC, GGUF_TYPES } from './gguf.js';
import type { GgufType, GgufValue } from './gguf-config.js';
import { OutputFile } from './output.js';

/** A tensor to write; `pieces` gives its bytes in order, each piece valid until the next is asked for. */
export interface TensorSource {
  readonly name: string;
  readonly dtype: DType;
  /** Row-major, outermost first. */
  readonly shape: readonly number[];
  pieces(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export type GgufMetadata = ReadonlyMap<string, GgufValue>;

const VERSION = 3;

export interface WriteOptions {
  signal?: AbortSignal;
  /** Called with the bytes of tensor data written so far. */
  onBytes?: (written: number) => void;
}

/** Bytes of a tensor's data. */
export function tensorBytes({ dtype, shape }: Pick<TensorSource, 'dtype' | 'shape'>): number {
  return byteLength(
    dtype,
    shape.reduce((product, size) => product * size, 1),
  );
}

/** Writes a new file at `path`, which must not exist. The caller removes it if this throws. */
export async function writeGguf(
  path: string,
  metadata: GgufMetadata,
  tensors: readonly TensorSource[],
  options: WriteOptions = {},
): Promise<void> {
  await OutputFile.make(path, async (file) => {
    await file.write(encodeHeader(metadata, tensors));
    await file.pad(GGUF_DEFAULT_ALIGNMENT);
    let written = 0;
    for (const tensor of tensors) {
      written = await writePieces(file, tensor, written, options);
      await file.pad(GGUF_DEFAULT_ALIGNMENT);
    }
  });
}

/** Streams one tensor into a file; returns `written` plus its bytes. */
export async function writePieces(
  file: OutputFile,
  tensor: TensorSource,
  written: number,
  { signal, onBytes }: WriteOptions,
): Promise<number> {
  const end = written + tensorBytes(tensor);
  for await (const piece of tensor.pieces()) {
    if (signal?.aborted) throw new KaiwenError('aborted', 'Writing was cancelled.');
    await file.write(piece);
    written += piece.byteLength;
    onBytes?.(written);
  }
  if (written !== end) {
    throw new KaiwenError('internal', `Tensor '${tensor.name}': ${end - written} bytes short of its shape.`);
  }
  return written;
}

function encodeHeader(metadata: GgufMetadata, tensors: readonly TensorSource[]): Uint8Array {
  const out = new ByteBuilder();
  out.u32(GGUF_MAGIC);
  out.u32(VERSION);
  out.u64(tensors.length);
  out.u64(metadata.size);
  for (const [key, value] of metadata) {
    out.string(key);
    writeValue(out, value);
  }
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    out.string(name);
    out.u32(shape.length);
    for (const size of shape.toReversed()) out.u64(size);
    out.u32(DTYPES[dtype].gguf);
    out.u64(offset);
    offset += align(tensorBytes({ dtype, shape }));
  }
  return out.bytes();
}

function writeValue(out: ByteBuilder, { type, elements, value }: GgufValue): void {
  out.u32(GGUF_TYPES[type]);
  if (type !== 'array') {
    writeScalar(out, type, value);
    return;
  }
  const items = value as readonly unknown[];
  out.u32(GGUF_TYPES[elements!]);
  out.u64(items.length);
  for (const item of items) writeScalar(out, elements!, item);
}

function writeScalar(out: ByteBuilder, type: GgufType, value: unknown): void {
  switch (type) {
    case 'string':
      out.string(value as string);
      break;
    case 'bool':
      out.u8(value ? 1 : 0);
      break;
    case 'u8':
    case 'i8':
      out.u8(value as number);
      break;
    case 'u32':
    case 'i32':
      out.u32(value as number);
      break;
    case 'f32':
      out.f32(value as number);
      break;
    case 'u64':
      out.u64(value as number);
      break;
    default:
      throw new KaiwenError('internal', `GGUF metadata of type ${type} are not written.`);
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / GGUF_DEFAULT_ALIGNMENT) * GGUF_DEFAULT_ALIGNMENT;
}

/** A growing little-endian buffer. */
class ByteBuilder {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  u8(value: number): void {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
  }

  u32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
  }

  u64(value: number): void {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }

  f32(value: number): void {
    const at = this.#grow(4);
    this.#view.setFloat32(at, value, true);
  }

  string(text: string): void {
    const encoded = new TextEncoder().encode(text);
    this.u64(encoded.length);
    const at = this.#grow(encoded.length);
    this.#bytes.set(encoded, at);
  }

  /** Makes room and returns where it starts. Replaces the buffer: take the view after calling this. */
  #grow(bytes: number): number {
    const start = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return start;
  }
}
