/**
 * What a Hugging Face folder is made of: each tensor by its own name and in its own order, experts one by one, and
 * the configuration. Nothing is read before the writer asks for a tensor's pieces.
 */
import { KaiwenError } from '../errors.js';
import type { DType } from '../tensor/dtype.js';
import type { Checkpoint, JsonObject, TensorInfo } from './checkpoint.js';
import { architectureOfConfig } from './gguf-config.js';
import { toGgufName } from './gguf-names.js';
import type { TensorSource } from './gguf-writer.js';
import { tensorPieces } from './pieces.js';
import { orderFor } from './reorder.js';
import { scalingFromDivisors } from './rope-freqs.js';

export interface FolderPlan {
  tensors: TensorSource[];
  config: JsonObject;
}

/** The tensors and the configuration of a folder. Throws 'unsupported' for a rotary scaling that has no name. */
export function planFolder(checkpoint: Checkpoint, dtype: DType): FolderPlan {
  const config = { ...checkpoint.config };
  const architecture = architectureOfConfig(config, checkpoint.path);
  const tensors: TensorSource[] = [];
  for (const tensor of checkpoint.tensors.values()) {
    if (tensor.name === 'rope_freqs.weight') {
      config.rope_scaling = restoreScaling(checkpoint, tensor);
      continue;
    }
    const rule = toGgufName(architecture, tensor.name)?.rule;
    const order = rule ? orderFor(rule, tensor.shape, config, 'safetensors') : {};
    const width = order.rows && tensor.shape.length === 1 ? 1 : undefined;
    const experts = /^(.*\.mlp\.experts)\.((?:gate|up|down)_proj\.weight)$/.exec(tensor.name);
    if (!experts) {
      const pieces = () => tensorPieces(checkpoint, tensor, dtype, { ...order, width });
      tensors.push({ name: tensor.name, dtype, shape: tensor.shape, pieces });
      continue;
    }
    const [count, rowCount, columns] = tensor.shape;
    for (let i = 0; i < count; i++) {
      const pieces = () => tensorPieces(checkpoint, tensor, dtype, { firstRow: i * rowCount, rowCount });
      tensors.push({ name: `${experts[1]}.${i}.${experts[2]}`, dtype, shape: [rowCount, columns], pieces });
    }
  }
  return { tensors, config };
}

function restoreScaling(checkpoint: Checkpoint, tensor: TensorInfo): JsonObject {
  const stored = new Float32Array(tensor.shape[0]);
  checkpoint.read(tensor, new Uint8Array(stored.buffer));
  const scaling = scalingFromDivisors(stored, checkpoint.config);
  if (scaling) return scaling;
  throw new KaiwenError('unsupported', `${tensor.file}: rope_freqs.weight is not Llama 3's rotary scaling.`, {
    remedy: 'Convert from the original checkpoint, or to GGUF.',
  });
}
