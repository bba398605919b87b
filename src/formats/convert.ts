/**
 * From one checkpoint to another: GGUF or a Hugging Face folder in, GGUF (quantised or not) or a folder of
 * safetensors (f32, f16, bf16) out. A plan lists the tensors of the target with what each is made from; a writer
 * then streams them. What the formats order or store differently is looked up in gguf-names.ts (plan-gguf.ts,
 * plan-folder.ts).
 */
import { realpathSync, statSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { sep } from 'node:path';
import { KaiwenError } from '../errors.js';
import type { DType } from '../tensor/dtype.js';
import type { Checkpoint } from './checkpoint.js';
import { tensorBytes, writeGguf } from './gguf-writer.js';
import { writeModelFiles } from './model-folder.js';
import { openCheckpoint } from './open.js';
import { checkTarget, replaceTarget } from './output.js';
import { planFolder } from './plan-folder.js';
import { planGguf } from './plan-gguf.js';
import type { ConvertType } from './quant-mix.js';
import { writeSafetensors } from './safetensors-writer.js';

export interface ConvertOptions {
  /** Default: q8_0 for GGUF, bf16 for a folder. */
  type?: ConvertType;
  /** Replace what is at the output path. */
  force?: boolean;
  onProgress?: (writtenBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

export interface ConvertResult {
  format: 'gguf' | 'safetensors';
  type: ConvertType;
  /** Bytes of tensor data written, and the number of tensors of each type. */
  bytes: number;
  tensors: Partial<Record<DType, number>>;
  notices: readonly string[];
}

/**
 * Writes the model at `input` to `output`: a GGUF file if the name ends in .gguf, else a folder. Nothing appears at
 * `output` before all is written. Throws KaiwenError: 'usage' for a type the target cannot have, 'bad_input' if
 * `output` exists or is `input`, 'io' if the disk refuses, 'aborted', and what opening a checkpoint throws.
 */
export async function convert(input: string, output: string, options: ConvertOptions = {}): Promise<ConvertResult> {
  using checkpoint = openCheckpoint(input);
  return await writeCheckpoint(checkpoint, output, options);
}

/** The same for a checkpoint that is open. `finish` may add to a folder, at its temporary path, before it appears. */
export async function writeCheckpoint(
  checkpoint: Checkpoint,
  output: string,
  options: ConvertOptions & { finish?: (folder: string) => Promise<void> } = {},
): Promise<ConvertResult> {
  const format = output.toLowerCase().endsWith('.gguf') ? 'gguf' : 'safetensors';
  const type = options.type ?? (format === 'gguf' ? 'q8_0' : 'bf16');
  if (format === 'safetensors' && type !== 'f32' && type !== 'f16' && type !== 'bf16') {
    throw new KaiwenError('usage', `A safetensors folder cannot hold ${type}.`, {
      remedy: 'Choose f32, f16 or bf16, or give the output a name that ends in .gguf.',
    });
  }
  await checkPaths(checkpoint, output, format, options.force === true);
  const plan = format === 'gguf' ? planGguf(checkpoint, type) : planFolder(checkpoint, type as DType);
  const bytes = plan.tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const { force, signal, onProgress } = options;
  const progress = { signal, onBytes: onProgress && ((written: number) => onProgress(written, bytes)) };

  await replaceTarget(output, { force, bytes }, async (temporary) => {
    if ('metadata' in plan) return writeGguf(temporary, plan.metadata, plan.tensors, progress);
    await mkdir(temporary);
    await writeModelFiles(temporary, checkpoint, plan.config, type as DType);
    await writeSafetensors(temporary, plan.tensors, progress);
    await options.finish?.(temporary);
  });
  const counts: Partial<Record<DType, number>> = {};
  for (const { dtype } of plan.tensors) counts[dtype] = (counts[dtype] ?? 0) + 1;
  return { format, type, bytes, tensors: counts, notices: checkpoint.notices };
}

/** Whether a folder holds a model and nothing that a project or a home would. */
function isModelFolder(names: readonly string[]): boolean {
  const parts =
    /^(?:[^/]*\.(?:safetensors|safetensors\.index\.json|tiktoken|jinja|txt|md)|[a-z_]*config\.json|(?:tokenizer|vocab|special_tokens_map|added_tokens|chat_template|lineage)\.json|(?:LICEN[CS]E|NOTICE).*|\.git(?:attributes|ignore))$/;
  return (
    names.includes('config.json') &&
    names.some((name) => name.endsWith('.safetensors')) &&
    names.every((name) => parts.test(name))
  );
}

/** Refuses to write over the input, and to replace a folder that is no model. */
async function checkPaths(
  checkpoint: Checkpoint,
  output: string,
  format: ConvertResult['format'],
  force: boolean,
): Promise<void> {
  const target = statSync(output, { throwIfNoEntry: false });
  if (target) {
    const place = realpathSync(output);
    for (const path of [checkpoint.path, ...[...checkpoint.tensors.values()].map(({ file }) => file)]) {
      const source = realpathSync(path);
      if (source === place || source.startsWith(place + sep)) {
        throw new KaiwenError('bad_input', `${output} is the model that is read.`, { remedy: 'Choose another name.' });
      }
    }
  }
  await checkTarget(output, force);
  if (!target) return;
  const names = target.isDirectory() ? await readdir(output) : [];
  const replaceable = target.isDirectory()
    ? format === 'safetensors' && (names.length === 0 || isModelFolder(names))
    : format === 'gguf';
  if (!replaceable) {
    throw new KaiwenError('bad_input', `${output} is no model that could be replaced.`, {
      remedy: 'Choose another name.',
    });
  }
}
