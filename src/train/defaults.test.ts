import { describe, expect, it } from 'vitest';
import { TrainConfig } from './config.js';
import { chooseRates, chooseSizes, chooseSteps, type Facts } from './defaults.js';
import { modelOfDepth } from './depth.js';

const facts: Facts = {
  ...{ hiddenSize: 256, maxContext: 512, vocabSize: 8192, parameters: 5e6 },
  ...{ documents: 1000, tokens: 1e6, longest: 2000 },
};
const config = (more: object) =>
  TrainConfig.parse({ method: 'pretrain', out: 'o', data: 'd', tokenizer: 't', depth: 4, ...more });
const sft = (more: object = {}) =>
  config({ method: 'sft', model: 'm', depth: undefined, tokenizer: undefined, ...more });

describe('modelOfDepth', () => {
  it.each([2, 4, 5, 12])('makes heads that fill the width at depth %i', (depth) => {
    const model = modelOfDepth(depth, 1000, 512) as Record<string, number>;
    expect(model.num_attention_heads * model.head_dim).toBe(model.hidden_size);
    expect(model.num_attention_heads % model.num_key_value_heads).toBe(0);
    expect(model.num_hidden_layers).toBe(depth);
  });

  it('lets fields be given', () => {
    expect(modelOfDepth(4, 1000, 512, { hidden_size: 128, rope_theta: 5 })).toMatchObject({
      ...{ hidden_size: 128, num_attention_heads: 4, intermediate_size: 384, rope_theta: 5 },
    });
  });
});

describe('chooseSizes', () => {
  it('makes batches that hold the longest sequence', () => {
    expect(chooseSizes(config({}), facts)).toEqual({ context: 512, rows: 4096, accumulate: 2 });
    expect(chooseSizes(sft(), { ...facts, longest: 80, tokens: 6000 })).toMatchObject({ context: 79, rows: 512 });
    const pairs = chooseSizes(config({ method: 'dpo', model: 'm' }), { ...facts, tokens: 100 });
    expect(pairs.rows).toBeGreaterThanOrEqual(2 * pairs.context);
  });

  it('takes a context that was not asked for back where batches are small', () => {
    expect(chooseSizes(sft({ batch_tokens: 256 }), facts)).toEqual({ context: 256, rows: 256, accumulate: 1 });
  });

  it.each([
    [{ context: 512, batch_tokens: 256 }, 'do not hold'],
    [{ context: 512, batch_tokens: 1024, accumulate: 4 }, 'do not hold'],
    [{ context: 1024 }, 'sees 512 tokens'],
  ])('refuses %j', (more, message) => {
    expect(() => chooseSizes(sft(more), facts)).toThrow(message);
  });
});

describe('chooseSteps', () => {
  const sizes = { context: 512, rows: 4096, accumulate: 2 };
  const batchesOf = () => 101;

  it('takes twenty tokens a parameter for a new model, epochs elsewhere', () => {
    expect(chooseSteps(config({}), sizes, facts, batchesOf)).toBe(Math.ceil(1e8 / 8192));
    expect(chooseSteps(config({ epochs: 2 }), sizes, facts, batchesOf)).toBe(101);
    expect(chooseSteps(sft(), sizes, facts, batchesOf)).toBe(152);
    expect(chooseSteps(config({ steps: 7 }), sizes, facts, batchesOf)).toBe(7);
  });
});

describe('chooseRates', () => {
  it('learns slower the wider the model, and the more there is to lose', () => {
    const rate = (more: object, width = 256) =>
      chooseRates(config(more), { ...facts, hiddenSize: width }, 100).learningRate;
    expect(rate({})).toBe(0.002);
    expect(rate({}, 1024)).toBeLessThan(0.001);
    const tuned = (more: object) => chooseRates(sft(more), facts, 100).learningRate;
    expect(tuned({})).toBeLessThan(tuned({ tuning: 'lora' }));
    expect(tuned({ method: 'dpo' })).toBeLessThan(tuned({}));
    expect(tuned({ learning_rate: 3 })).toBe(3);
  });

  it('reads a warm-up below 1 as a share of the steps', () => {
    expect(chooseRates(sft({ warmup: 0.1 }), facts, 100).warmup).toBe(10);
    expect(chooseRates(sft({ warmup: 30 }), facts, 100).warmup).toBe(30);
    expect(chooseRates(sft({ warmup: 30 }), facts, 20).warmup).toBe(20);
  });
});
