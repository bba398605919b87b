/**
 * Writes safetensors: one file, or several of at most 5 GB with the index that Hugging Face's readers expect.
 * https://github.com/huggingface/safetensors#format
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DTYPES, type DType } from '../tensor/dtype.js';
import { type TensorSource, tensorBytes, type WriteOptions, writePieces } from './gguf-writer.js';
import { OutputFile } from './output.js';

/** The types that both sides know. */
const NAMES: Partial<Record<DType, string>> = { f32: 'F32', f16: 'F16', bf16: 'BF16' };

const SHARD_BYTES = 5e9;

/** Writes `model.safetensors`, or shards and `model.safetensors.index.json`, into an empty folder. */
export async function writeSafetensors(
  folder: string,
  tensors: readonly TensorSource[],
  options: WriteOptions & { shardBytes?: number } = {},
): Promise<void> {
  const shards = intoShards(tensors, options.shardBytes ?? SHARD_BYTES);
  const weightMap: Record<string, string> = {};
  let written = 0;
  for (const [i, shard] of shards.entries()) {
    const name =
      shards.length === 1 ? 'model.safetensors' : `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
    for (const tensor of shard) weightMap[tensor.name] = name;
    await OutputFile.make(join(folder, name), async (file) => {
      await file.write(encodeHeader(shard));
      for (const tensor of shard) written = await writePieces(file, tensor, written, options);
    });
  }
  if (shards.length === 1) return;
  const index = { metadata: { total_size: written }, weight_map: weightMap };
  await writeFile(join(folder, 'model.safetensors.index.json'), `${JSON.stringify(index, null, 2)}\n`);
}

function intoShards(tensors: readonly TensorSource[], limit: number): TensorSource[][] {
  const shards: TensorSource[][] = [[]];
  let size = 0;
  for (const tensor of tensors) {
    const bytes = tensorBytes(tensor);
    if (size > 0 && size + bytes > limit) {
      shards.push([]);
      size = 0;
    }
    shards.at(-1)!.push(tensor);
    size += bytes;
  }
  // Wider elements first, as the reference implementation writes them: every tensor then starts aligned.
  for (const shard of shards) shard.sort((a, b) => DTYPES[b.dtype].bytes - DTYPES[a.dtype].bytes);
  return shards;
}

/** The bytes before the data of tensors that follow one another: length, JSON, spaces to a multiple of eight. */
export function encodeHeader(tensors: readonly Pick<TensorSource, 'name' | 'dtype' | 'shape'>[]): Uint8Array {
  // `format` is what transformers asks for before it loads a file.
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const tensor of tensors) {
    const end = offset + tensorBytes(tensor);
    header[tensor.name] = { dtype: NAMES[tensor.dtype], shape: tensor.shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = JSON.stringify(header);
  const text = new TextEncoder().encode(json + ' '.repeat((8 - (new TextEncoder().encode(json).length % 8)) % 8));
  const bytes = new Uint8Array(8 + text.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

function number(i: number): string {
  return String(i).padStart(5, '0');
}
