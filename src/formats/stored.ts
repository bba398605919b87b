/**
 * Tensors as they lie in files, and the checkpoint made of them. A stored tensor is a list of extents (regular
 * runs of bytes), so that experts kept one by one, or gate and up projections kept as one, appear as the stacked
 * tensors that a model reads, without a copy. A few small GGUF tensors are kept in another convention and
 * restored on the way into the caller's memory.
 */
import { KaiwenError } from '../errors.js';
import type { Checkpoint, JsonObject, TensorInfo, TokenizerSource } from './checkpoint.js';
import type { RandomAccessFile } from './file.js';

/** `count` runs of `length` bytes, each `stride` bytes after the one before, the first at `offset`. */
export interface Extent {
  readonly file: RandomAccessFile;
  readonly offset: number;
  readonly length: number;
  readonly count: number;
  readonly stride: number;
}

/** How the file's float32 values become Hugging Face's: x - 1 (zero-centred norms), log(-x) (A_log). */
export type Restore = 'minus-one' | 'log-negated';

export interface StoredTensor extends TensorInfo {
  readonly extents: readonly Extent[];
  readonly restore?: Restore;
}

/** One run of bytes. */
export function extent(file: RandomAccessFile, offset: number, length: number): Extent {
  return { file, offset, length, count: 1, stride: 0 };
}

export interface CheckpointParts extends Omit<Checkpoint, 'tensors' | 'read' | 'close' | typeof Symbol.dispose> {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly files: readonly RandomAccessFile[];
}

/** A checkpoint over open files; closing it closes them. */
export class StoredCheckpoint implements Checkpoint {
  readonly path: string;
  readonly format: 'safetensors' | 'gguf';
  readonly config: JsonObject;
  readonly generationConfig: JsonObject;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly tokenizer?: TokenizerSource;
  readonly chatTemplate?: string;
  readonly licence?: string;
  readonly notices: readonly string[];
  #files: readonly RandomAccessFile[];

  constructor(parts: CheckpointParts) {
    this.path = parts.path;
    this.format = parts.format;
    this.config = parts.config;
    this.generationConfig = parts.generationConfig;
    this.tensors = parts.tensors;
    this.tokenizer = parts.tokenizer;
    this.chatTemplate = parts.chatTemplate;
    this.licence = parts.licence;
    this.notices = parts.notices;
    this.#files = parts.files;
  }

  read(tensor: TensorInfo, into: Uint8Array, from = 0): void {
    const stored = this.tensors.get(tensor.name);
    if (!stored) throw new KaiwenError('not_found', `${this.path}: no tensor '${tensor.name}'.`);
    if (!(from >= 0) || from + into.byteLength > stored.byteLength) {
      throw new KaiwenError(
        'internal',
        `${stored.name}: bytes ${from} to ${from + into.byteLength} lie outside its ${stored.byteLength}.`,
      );
    }
    readExtents(stored.extents, into, from);
    if (stored.restore) restore(stored, into, from);
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function readExtents(extents: readonly Extent[], into: Uint8Array, from: number): void {
  let done = 0;
  for (const { file, offset, length, count, stride } of extents) {
    if (done === into.byteLength) return;
    if (from >= length * count) {
      from -= length * count;
      continue;
    }
    for (let run = Math.floor(from / length); run < count && done < into.byteLength; run++) {
      const start = from % length;
      const bytes = Math.min(length - start, into.byteLength - done);
      file.read(into.subarray(done, done + bytes), offset + run * stride + start);
      done += bytes;
      from = 0;
    }
  }
}

function restore(tensor: StoredTensor, bytes: Uint8Array, from: number): void {
  if (from % 4 !== 0 || bytes.byteLength % 4 !== 0) {
    throw new KaiwenError('internal', `${tensor.name}: read in pieces that split a float32.`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.byteLength; at += 4) {
    const value = view.getFloat32(at, true);
    view.setFloat32(at, tensor.restore === 'minus-one' ? value - 1 : Math.log(-value), true);
  }
}
