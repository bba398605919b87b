import { describe, expect, it } from 'vitest';
import type { Checkpoint, TensorInfo } from '../formats/checkpoint.js';
import { openCheckpoint } from '../formats/open.js';
import { inspect } from './inspection.js';

describe('inspect', () => {
  it('describes a model and its memory', () => {
    using checkpoint = openCheckpoint('models/glossary');
    const found = inspect(checkpoint, 256);
    expect(found).toMatchObject({
      architecture: 'qwen3',
      layers: 6,
      attentionLayers: 6,
      heads: 4,
      kvHeads: 2,
      headDim: 32,
      vocabSize: 4096,
      tiedHead: true,
      maxContext: 512,
      dtypes: [{ dtype: 'bf16', tensors: 68 }],
      tokenizer: { ids: 4096, controlTokens: 3 },
      chatTemplate: true,
      thinking: false,
      warnings: [],
    });
    const elements = [...checkpoint.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength / 2, 0);
    expect(found.parameters).toBe(elements);
    // Keys and values of 6 layers, 2 heads of 32, in two bytes each.
    expect(found.memory?.cache).toBe(256 * 6 * 2 * 2 * 32 * 2);
    expect(found.memory?.weights).toBeGreaterThanOrEqual(2 * elements);
  });

  it('counts recurrent layers apart', () => {
    using checkpoint = openCheckpoint('test/fixtures/logits/qwen3.5-hybrid');
    const [short, long] = [inspect(checkpoint, 128), inspect(checkpoint, 256)];
    expect(short).toMatchObject({ layers: 4, attentionLayers: 1, tokenizer: undefined });
    expect(short.memory?.state).toBeGreaterThan(0);
    expect(long.memory?.state).toBe(short.memory?.state);
    expect(long.memory?.cache).toBe(2 * short.memory!.cache);
    expect(short.warnings.join()).toContain('No tokenizer');
  });

  it('says what is missing, and what the context allows', () => {
    using checkpoint = openCheckpoint('models/glossary');
    const tensors = new Map<string, TensorInfo>(checkpoint.tensors);
    tensors.delete('model.layers.3.mlp.up_proj.weight');
    const broken = { ...checkpoint, ...pick(checkpoint), tensors } as unknown as Checkpoint;
    const found = inspect(broken, 100_000);
    expect(found.memory).toBeUndefined();
    expect(found.warnings.join()).toContain('model.layers.3.mlp.up_proj.weight');
    expect(found.warnings.join()).toContain('100000 tokens are more than');
  });
});

function pick({ path, format, config, notices, generationConfig }: Checkpoint) {
  return { path, format, config, notices, generationConfig };
}
