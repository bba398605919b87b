/** Adapters with random numbers for any model, written by the product's own writer. */
import { mkdir } from 'node:fs/promises';
import { type AdapterWeights, writeAdapterFiles } from '../src/adapters/write.js';
import { openCheckpoint } from '../src/formats/open.js';
import { random } from './sequence-cases.js';

export interface RandomAdapter extends Partial<Omit<AdapterWeights, 'tensors'>> {
  /** Which of the base's matrices, by their names without `.weight`; default all of the layers. */
  targets?: RegExp;
  seed?: number;
  /** How strongly it changes them. */
  strength?: number;
}

/** Writes an adapter for `base` into a new folder. */
export async function writeRandomAdapter(base: string, folder: string, options: RandomAdapter = {}): Promise<void> {
  const { targets = /\.layers\.\d+\..*proj(_[a-z]+)?$/, rank = 4, dora = false, strength = 0.1, seed = 1 } = options;
  using checkpoint = openCheckpoint(base);
  const tensors: AdapterWeights['tensors'][number][] = [];
  const modules = [...checkpoint.tensors.values()].flatMap(({ name, shape }) => {
    const module = name.replace(/\.weight$/, '');
    const stacked = /^(.*\.experts)\.(\w+)$/.exec(module);
    if (!stacked) return [{ module, shape }];
    return Array.from({ length: shape[0] }, (_, i) => ({
      module: `${stacked[1]}.${i}.${stacked[2]}`,
      shape: shape.slice(1),
    }));
  });
  for (const { module, shape } of modules) {
    if (shape.length !== 2 || !targets.test(module)) continue;
    const [out, input] = shape;
    const stem = `base_model.model.${module}`;
    const n = seed + tensors.length;
    tensors.push({ name: `${stem}.lora_A.weight`, shape: [rank, input], values: random(rank * input, n) });
    const b = random(out * rank, n + 1).map((value) => strength * value);
    tensors.push({ name: `${stem}.lora_B.weight`, shape: [out, rank], values: b });
    if (!dora) continue;
    const values = random(out, n + 2).map((value) => 1 + Math.abs(value));
    tensors.push({ name: `${stem}.lora_magnitude_vector`, shape: [out], values });
  }
  await mkdir(folder);
  const config = { base, rank, alpha: rank, dropout: 0, rslora: false, dora, ...options };
  await writeAdapterFiles(folder, { ...config, tensors });
}
