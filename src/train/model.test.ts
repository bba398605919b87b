import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { relativeError } from '../../test/sequence-cases.js';
import type { JsonObject } from '../formats/checkpoint.js';
import { readSafetensors } from '../formats/safetensors.js';
import { TrainableModel, type TrainableOptions, type TrainBatch } from './model.js';
import type { Parameter } from './parameters.js';

const BASE = {
  ...{ hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2 },
  ...{ head_dim: 16, vocab_size: 50, max_position_embeddings: 64, rms_norm_eps: 1e-6, rope_theta: 10_000 },
};
const MODELS: Record<string, JsonObject> = {
  qwen: {
    ...{ ...BASE, model_type: 'qwen', tie_word_embeddings: false, num_key_value_heads: 4, layer_norm_epsilon: 1e-6 },
    ...{ kv_channels: 8, head_dim: 8, intermediate_size: 96, rotary_pct: 1, rotary_emb_base: 10_000 },
    // Past 8 tokens rope is stretched and queries are scaled.
    ...{ seq_length: 8, use_dynamic_ntk: true, use_logn_attn: true, no_bias: true },
  },
  qwen2: { ...BASE, model_type: 'qwen2', head_dim: 8, tie_word_embeddings: false },
  qwen3: { ...BASE, model_type: 'qwen3', tie_word_embeddings: true },
  qwen3_moe: {
    ...{ ...BASE, model_type: 'qwen3_moe', tie_word_embeddings: true },
    // All experts for every token: a difference across a change of experts is no derivative.
    ...{ num_experts: 4, num_experts_per_tok: 4, moe_intermediate_size: 24, norm_topk_prob: true },
  },
  qwen3_5: {
    ...{ ...BASE, model_type: 'qwen3_5_text', tie_word_embeddings: true, linear_conv_kernel_dim: 4 },
    ...{ num_hidden_layers: 3, layer_types: ['linear_attention', 'full_attention', 'linear_attention'] },
    ...{ linear_num_key_heads: 2, linear_num_value_heads: 4, linear_key_head_dim: 8, linear_value_head_dim: 12 },
    rope_parameters: { rope_type: 'default', rope_theta: 10_000, partial_rotary_factor: 0.25 },
  },
  llama: { ...BASE, model_type: 'llama', tie_word_embeddings: true },
};
const fixtures = fileURLToPath(new URL('../../test/fixtures/logits', import.meta.url));
const OPTIONS: TrainableOptions = { threads: 1, rows: 40, train: 'all' };

/** Three sequences, some rows without a target. */
function batch(): TrainBatch {
  const runs = [
    { row: 0, rows: 17 },
    { row: 17, rows: 1 },
    { row: 18, rows: 22 },
  ];
  const ids = Int32Array.from({ length: 40 }, (_, i) => (i * 7 + (i >> 2)) % 50);
  const targets = ids.map((_, i) => (i % 5 === 3 ? -1 : (i * 11 + 4) % 50));
  const weights = Float32Array.from(targets, (t, i) => (t < 0 ? 0 : 0.5 + (i % 3) / 2));
  return { ids, targets, weights, runs };
}

function lossOf(model: TrainableModel, b: TrainBatch): number {
  return model.forward(b).reduce((sum, nll, i) => sum + nll * b.weights[i], 0);
}

/** Larger weights than a fresh model's, so that every part of the block matters. */
function stir(model: TrainableModel): void {
  for (const [p, parameter] of model.parameters.entries()) {
    const values = model.get(parameter);
    // Decays stay moderate: their gradient would vanish in rounding.
    const factor = /\.(?:A_log|dt_bias)$/.test(parameter.name) ? 0.1 : 4;
    for (let i = 0; i < values.length; i++) values[i] = values[i] * factor + 0.05 * Math.sin(i * 1.7 + p);
  }
}

/** The derivative along the gradient's own direction, by central differences, against the gradient's norm. */
function directionalError(model: TrainableModel, b: TrainBatch, parameter: Parameter): number {
  const gradient = model.gradient(parameter).slice();
  const norm = Math.hypot(...gradient);
  const values = model.get(parameter);
  const before = values.slice();
  const step = 0.05 / Math.max(norm, 0.02);
  const at = (h: number) => {
    values.set(before.map((v, i) => v + (h * gradient[i]) / norm));
    return lossOf(model, b);
  };
  const slope = (h: number) => (at(h) - at(-h)) / (2 * h);
  // Richardson's extrapolation takes away the third derivative.
  const derivative = (4 * slope(step) - slope(2 * step)) / 3;
  values.set(before);
  return Math.abs(derivative - norm) / norm;
}

describe.each(Object.entries(MODELS))('gradients of %s', (_, config) => {
  it('agree with finite differences, for every parameter', () => {
    using model = TrainableModel.create(config, 1, OPTIONS);
    stir(model);
    const b = batch();
    model.accumulate(b);
    const errors = model.parameters.map((p) => [p.name, directionalError(model, b, p)] as const);
    for (const [name, error] of errors) expect(error, name).toBeLessThan(1e-3);
  });

  it('are the same bits with checkpointing, more threads and the plain SIMD build up to rounding', () => {
    const gradients = (options: Partial<TrainableOptions>) => {
      using model = TrainableModel.create(config, 1, { ...OPTIONS, ...options });
      stir(model);
      const nll = model.accumulate(batch());
      return { nll, all: model.parameters.map((p) => model.gradient(p).slice()) };
    };
    const expected = gradients({});
    expect(gradients({ checkpointing: true })).toEqual(expected);
    expect(gradients({ threads: 3 })).toEqual(expected);
    const plain = gradients({ simd: 'plain', native: 'off' });
    const largest = Math.max(...expected.all.flatMap((g) => [...g].map(Math.abs)));
    plain.all.forEach((g, p) => {
      g.forEach((value, i) => {
        expect(Math.abs(value - expected.all[p][i])).toBeLessThan(1e-4 * largest);
      });
    });
  });
});

it.each(readdirSync(fixtures))('computes the logits that PyTorch does: %s', (name) => {
  const expected = readSafetensors(join(fixtures, name, 'expected.safetensors'));
  const ids = Int32Array.from(expected.get('input_ids')!.data as BigInt64Array, Number);
  using model = TrainableModel.open(join(fixtures, name), { threads: 1, rows: ids.length, train: 'nothing' });
  const logits = expected.get('logits')!.data as Float32Array;
  expect(relativeError(model.logits(ids), logits)).toBeLessThan(1e-3);
});

it.each(['qwen3', 'qwen3_5'])('sequences of a batch know nothing of one another: %s', (name) => {
  using model = TrainableModel.create(MODELS[name], 1, OPTIONS);
  const b = batch();
  const together = model.forward(b);
  for (const { row, rows } of b.runs) {
    const alone = model.forward({
      ids: b.ids.slice(row, row + rows),
      targets: b.targets.slice(row, row + rows),
      weights: b.weights.slice(row, row + rows),
      runs: [{ row: 0, rows }],
    });
    alone.forEach((nll, i) => {
      expect(Math.abs(nll - together[row + i])).toBeLessThan(1e-5);
    });
  }
});

it.each(['qwen3', 'qwen3_5'])('takes no more memory than planned: %s', (name) => {
  for (const checkpointing of [false, true]) {
    const options = { ...OPTIONS, checkpointing };
    using model = TrainableModel.create(MODELS[name], 1, options);
    // An arena that was planned too small refuses.
    expect(() => model.accumulate(batch())).not.toThrow();
    const { trained, parameters } = TrainableModel.plan(MODELS[name], options);
    expect(trained).toBe(parameters);
  }
});

describe('low-rank adapters', () => {
  const folder = 'models/glossary';
  const lora = { rank: 4, alpha: 8, dropout: 0, rslora: false, dora: false, targets: 'all-linear', seed: 3 } as const;
  const variants: Record<string, Partial<TrainableOptions>> = {
    LoRA: { train: { lora } },
    'rsLoRA on two kinds of layers': { train: { lora: { ...lora, rslora: true, targets: ['q_proj', 'down_proj'] } } },
    DoRA: { train: { lora: { ...lora, dora: true } } },
    'QLoRA over Q8_0': { train: { lora }, base: 'q8_0' },
    'QLoRA over Q4_0': { train: { lora }, base: 'q4_0' },
    'LoRA over BF16': { train: { lora }, base: 'file' },
  };
  const open = (options: Partial<TrainableOptions>) =>
    TrainableModel.open(folder, { threads: 1, rows: 40, base: 'f32', train: 'all', ...options });
  const shake = (model: TrainableModel, amount: number) => {
    for (const p of model.parameters) {
      const values = model.get(p);
      for (let i = 0; i < values.length; i++) values[i] += amount * Math.sin(i * 1.3 + values.length);
    }
  };

  it.each(Object.entries(variants))(
    '%s changes nothing at first, and its gradients agree with differences',
    (_, options) => {
      using base = open({ ...options, train: 'nothing' });
      using model = open(options);
      const b = batch();
      const expected = base.forward(b);
      model.forward(b).forEach((nll, i) => {
        expect(Math.abs(nll - expected[i])).toBeLessThan(1e-4);
      });
      shake(model, 0.02);
      model.accumulate(b);
      const worst = [0, 1, 9, model.parameters.length - 2, model.parameters.length - 1].map((i) => {
        const parameter = model.parameters[i];
        return directionalError(model, b, parameter);
      });
      // DoRA's gradient leaves out the norm's, as its paper does.
      const trains = options.train as { lora: { dora: boolean } };
      expect(Math.max(...worst)).toBeLessThan(trains.lora.dora ? 0.5 : 2e-3);
    },
  );

  it('dropout draws the same for the same seed, also when blocks are computed again', () => {
    const gradients = (seed: number, checkpointing: boolean) => {
      using model = open({ train: { lora: { ...lora, dropout: 0.3 } }, checkpointing });
      shake(model, 0.02);
      model.accumulate(batch(), { seed });
      return model.parameters.map((p) => model.gradient(p).slice());
    };
    const expected = gradients(5, false);
    expect(gradients(5, true)).toEqual(expected);
    expect(gradients(6, false)).not.toEqual(expected);
  });

  it('refuses a layer that the model does not have', () => {
    expect(() => open({ train: { lora: { ...lora, targets: ['qproj'] } } })).toThrow(/No layer .* "qproj"/);
  });
});

it('a teacher that agrees teaches nothing', () => {
  const options = { ...OPTIONS, distils: true };
  using model = TrainableModel.create(MODELS.qwen3, 1, options);
  const b = batch();
  const vocab = model.definition.vocabSize;
  const own = new Float32Array(40 * vocab);
  model.eachLogits(b.ids, b.runs, (from, values) => own.set(values, from * vocab));
  const teacher = {
    logits: (from: number, rows: number) => own.subarray(from * vocab, (from + rows) * vocab),
    temperature: 2,
    share: 1,
  };
  model.accumulate(b, { teacher });
  expect(Math.sqrt(model.gradNormSquared())).toBeLessThan(1e-4);
});
