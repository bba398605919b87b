/**
 * Folds an adapter into its base: a folder of safetensors or a GGUF file of any type comes out, streamed tensor by
 * tensor. What the fold costs is measured afterwards on rows of the result: how much the adapter changed the matrices,
 * and how much of that the written type rounds away.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkpoint, TensorInfo } from '../formats/checkpoint.js';
import { type ConvertOptions, type ConvertResult, writeCheckpoint } from '../formats/convert.js';
import { openCheckpoint } from '../formats/open.js';
import { dequantizeTensor } from '../formats/quant/index.js';
import { CONVERT_TYPES, type ConvertType } from '../formats/quant-mix.js';
import { byteLength, type DType } from '../tensor/dtype.js';
import { Adapter } from './adapter.js';
import { readAdapterFiles } from './files.js';
import { MergedCheckpoint } from './merged.js';

export interface MergeOptions extends ConvertOptions {
  /** Called with a folder's temporary path when all else is in it. */
  finish?: (folder: string) => Promise<void>;
}

export interface MergeResult extends ConvertResult {
  /** How many matrices the adapter changed. */
  changed: number;
  /** Root mean square of the adapter's change and of the result's rounding, as shares of the merged weights'. */
  change: number;
  rounding: number;
}

/** Rows of each tensor that are measured. */
const SAMPLED_ROWS = 32;

/**
 * Writes `base` with `adapter` folded in to `output`, as `convert` does and with its errors. The type is the base's own
 * where nothing else is said and the target can hold it.
 */
export async function merge(
  base: string,
  adapterPath: string,
  output: string,
  options: MergeOptions = {},
): Promise<MergeResult> {
  using checkpoint = openCheckpoint(base);
  using adapter = Adapter.open(adapterPath);
  const files = readAdapterFiles(adapterPath);
  const merged = new MergedCheckpoint(checkpoint, adapter, files);
  const type = options.type ?? defaultType(checkpoint, output);
  const finish = async (folder: string) => {
    const { chatTemplate, generationConfig } = files;
    if (chatTemplate !== undefined) await writeFile(join(folder, 'chat_template.jinja'), chatTemplate);
    if (generationConfig)
      await writeFile(join(folder, 'generation_config.json'), `${JSON.stringify(generationConfig, null, 2)}\n`);
    await options.finish?.(folder);
  };
  const result = await writeCheckpoint(merged, output, { ...options, type, finish });
  return { ...result, changed: adapter.layers.length, ...measure(checkpoint, merged, output) };
}

/** The type that holds most of the base's weights, or the nearest that the target can hold. */
function defaultType(base: Checkpoint, output: string): ConvertType | undefined {
  const bytes = new Map<DType, number>();
  for (const { dtype, byteLength } of base.tensors.values()) bytes.set(dtype, (bytes.get(dtype) ?? 0) + byteLength);
  const [[most]] = [...bytes].sort((a, b) => b[1] - a[1]);
  const type = CONVERT_TYPES.find((name) => name === most || name === `${most}_m`);
  const isFloat = type === 'f32' || type === 'f16' || type === 'bf16';
  return isFloat || output.toLowerCase().endsWith('.gguf') ? type : undefined;
}

/** Reads some rows of each changed tensor from base, sum and result; tensors whose rows the result reorders are passed over. */
function measure(base: Checkpoint, merged: MergedCheckpoint, output: string): { change: number; rounding: number } {
  using written = openCheckpoint(output, { vocabulary: false });
  const sameOrder = ['kaiwen_rope_interleaved', 'kaiwen_value_heads_tiled'].every(
    (flag) => (base.config[flag] === true) === (written.config[flag] === true),
  );
  const sums = { weight: 0, change: 0, rounding: 0 };
  for (const name of merged.changes.keys()) {
    const result = written.tensors.get(name);
    if (!result || (!sameOrder && !/\.(?:mlp|self_attn\.[vo]_proj)\b/.test(name))) continue;
    const rows = result.shape.reduce((product, size) => product * size, 1) / result.shape.at(-1)!;
    const step = Math.max(1, Math.floor(rows / SAMPLED_ROWS));
    for (let row = 0; row < rows; row += step) {
      const [before, sum, after] = [base, merged, written].map((one) => readRow(one, one.tensors.get(name)!, row));
      for (let i = 0; i < sum.length; i++) {
        sums.weight += sum[i] ** 2;
        sums.change += (sum[i] - before[i]) ** 2;
        sums.rounding += (after[i] - sum[i]) ** 2;
      }
    }
  }
  const share = (part: number) => (sums.weight === 0 ? 0 : Math.sqrt(part / sums.weight));
  return { change: share(sums.change), rounding: share(sums.rounding) };
}

function readRow(checkpoint: Checkpoint, tensor: TensorInfo, row: number): Float32Array {
  const values = new Float32Array(tensor.shape.at(-1)!);
  const bytes = new Uint8Array(byteLength(tensor.dtype, values.length));
  checkpoint.read(tensor, bytes, row * bytes.length);
  dequantizeTensor(tensor.dtype, bytes, values);
  return values;
}
