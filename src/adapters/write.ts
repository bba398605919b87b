/** Writes an adapter in PEFT's layout, as other tools load it. */
import { join } from 'node:path';
import { writeJson } from '../formats/model-folder.js';
import { OutputFile } from '../formats/output.js';
import { encodeHeader } from '../formats/safetensors-writer.js';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from './adapter.js';

export interface AdapterWeights {
  /** The model it was trained on, as others shall find it. */
  base: string;
  rank: number;
  alpha: number;
  /** Of its inputs while it was trained; kept for whoever trains it further. */
  dropout: number;
  rslora: boolean;
  dora: boolean;
  /** PEFT's names: base_model.model.<module>.lora_A.weight [rank, in], lora_B.weight [out, rank] without the scale, lora_magnitude_vector [out]. */
  tensors: readonly { name: string; shape: readonly number[]; values: Float32Array }[];
}

/** Writes both files into an existing folder. */
export async function writeAdapterFiles(folder: string, adapter: AdapterWeights): Promise<void> {
  const { base, rank, alpha, dropout, rslora, dora, tensors } = adapter;
  const modules = tensors.map(({ name }) => name.replace(/\.lora_.*$/, '').replace(/^.*\./, ''));
  await writeJson(folder, ADAPTER_CONFIG, {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: base,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: dropout,
    use_rslora: rslora,
    use_dora: dora,
    target_modules: [...new Set(modules)].sort(),
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    modules_to_save: null,
    rank_pattern: {},
    alpha_pattern: {},
  });
  await OutputFile.make(join(folder, ADAPTER_WEIGHTS), async (file) => {
    await file.write(encodeHeader(tensors.map(({ name, shape }) => ({ name, shape, dtype: 'f32' }))));
    for (const { values } of tensors) {
      await file.write(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
  });
}
