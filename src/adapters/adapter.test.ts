import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../formats/checkpoint.js';
import { openCheckpoint } from '../formats/open.js';
import { encodeHeader } from '../formats/safetensors-writer.js';
import { Adapter } from './adapter.js';
import { moduleScale, parseAdapterConfig } from './config.js';

const at = (path: string) => fileURLToPath(new URL(`../../test/fixtures/${path}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kaiwen-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A copy of a fixture with its configuration and its tensors' names changed. */
function changed(name: string, config: JsonObject, rename: (name: string) => string = (same) => same): string {
  const path = mkdtempSync(join(folder, 'adapter-'));
  cpSync(at(`adapters/${name}`), path, { recursive: true });
  const file = join(path, 'adapter_config.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...config }));
  const weights = join(path, 'adapter_model.safetensors');
  const bytes = readFileSync(weights);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, unknown>;
  const renamed = JSON.stringify(
    Object.fromEntries(Object.entries(header).map(([key, value]) => [rename(key), value])),
  );
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(Buffer.byteLength(renamed)));
  writeFileSync(weights, Buffer.concat([size, Buffer.from(renamed), bytes.subarray(8 + length)]));
  return path;
}

it('says what it changes, and gives the numbers with their scale', () => {
  using adapter = Adapter.open(at('adapters/rslora'));
  using base = openCheckpoint(at('logits/qwen3-tied-headdim'));
  expect(adapter.name).toBe('rslora');
  expect(adapter.layers).toHaveLength(9);
  expect(adapter.check(base).size).toBe(9);
  const scales = adapter.layers.map(({ tensor, rank, scale }) => [tensor.replace(/^model\.layers\./, ''), rank, scale]);
  expect(scales).toContainEqual(['0.mlp.down_proj.weight', 6, 6 / Math.sqrt(6)]);
  expect(scales).toContainEqual(['0.self_attn.q_proj.weight', 4, 3]);
  expect(scales).toContainEqual(['1.self_attn.q_proj.weight', 4, 1.5]);
  const { a, b, magnitude } = adapter.read(adapter.layers[0]);
  const { rank, in: input, out } = adapter.layers[0];
  expect([a.length, b.length, magnitude]).toEqual([rank * input, out * rank, undefined]);
});

it('finds the layers of nested models, and of files without a prefix', () => {
  const nested = (name: string) => name.replace('model.model.', 'model.model.language_model.');
  const bare = (name: string) => name.replace('base_model.model.', '');
  using base = openCheckpoint(at('logits/qwen3-tied-headdim'));
  for (const path of [changed('lora', {}, nested), changed('lora', {}, bare)]) {
    using adapter = Adapter.open(path);
    expect(adapter.check(base).size).toBe(21);
  }
});

describe('refuses', () => {
  const opened = (path: string) => () => {
    using adapter = Adapter.open(path);
    return adapter;
  };

  it.each([
    [{ r: 8 }, 'bad_file', /has factors of rank 4 and 4; the configuration says 8/],
    [{ rank_pattern: { up_proj: 2 } }, 'bad_file', /up_proj" has factors of rank 4 and 4; the configuration says 2/],
    [{ use_dora: true }, 'bad_file', /has no lora_magnitude_vector/],
    [{ r: 0 }, 'bad_file', /"r" is 0/],
    [{ lora_alpha: null }, 'bad_file', /"lora_alpha" is null/],
    [{ peft_type: 'IA3' }, 'unsupported', /type IA3/],
    [{ fan_in_fan_out: true }, 'unsupported', /fan_in_fan_out/],
    [{ bias: 'lora_only' }, 'unsupported', /"bias"/],
    [{ init_lora_weights: 'pissa_niter_16' }, 'unsupported', /init_lora_weights/],
    [{ alpha_pattern: { '.*(a+)+': 2 } }, 'unsupported', /expression/],
  ])('%j', (config, code, message) => {
    expect(opened(changed('lora', config as JsonObject))).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  it.each([
    ['a trained copy of a tensor', 'q_proj.lora_A.weight', 'q_proj.weight', /modules_to_save/],
    [
      'an adapted embedding',
      'layers.0.self_attn.q_proj.lora_A.weight',
      'embed_tokens.lora_embedding_A',
      /no part of a LoRA/,
    ],
    ['an unknown part', 'q_proj.lora_B.weight', 'q_proj.lora_B.bias', /no part of a LoRA/],
  ])('%s', (_, from, to, message) => {
    const path = changed('lora', {}, (name) => name.replace(from, to));
    expect(opened(path)).toThrow(
      expect.objectContaining({ code: 'unsupported', message: expect.stringMatching(message) }),
    );
  });

  it('half a layer, a foreign magnitude, a truncated file, an empty one and none', () => {
    const half = changed('lora', {}, (name) => name.replace(/0\.mlp\.up_proj\.lora_B/, '7.mlp.up_proj.lora_B'));
    expect(opened(half)).toThrow(/up_proj" has no lora_B/);
    expect(opened(changed('dora', { use_dora: false }))).toThrow(/does not say DoRA/);
    const short = changed('lora', {});
    truncateSync(join(short, 'adapter_model.safetensors'), 40_000);
    expect(opened(short)).toThrow(expect.objectContaining({ code: 'bad_file' }));
    const empty = changed('lora', {});
    writeFileSync(join(empty, 'adapter_model.safetensors'), encodeHeader([]));
    expect(opened(empty)).toThrow(/the adapter is empty/);
    const pickled = changed('lora', {});
    rmSync(join(pickled, 'adapter_model.safetensors'));
    expect(opened(pickled)).toThrow(expect.objectContaining({ code: 'not_found' }));
    writeFileSync(join(pickled, 'adapter_model.bin'), '');
    expect(opened(pickled)).toThrow(/pickled/);
    expect(opened(join(folder, 'nothing'))).toThrow(expect.objectContaining({ code: 'not_found' }));
    expect(opened(at('logits/qwen3-tied-headdim'))).toThrow(expect.objectContaining({ code: 'not_found' }));
  });

  it('a model that it was not trained on, saying which it was', () => {
    using base = openCheckpoint(at('logits/qwen2-tied-gqa'));
    using adapter = Adapter.open(at('adapters/lora'));
    expect(() => adapter.check(base)).toThrow(
      /"model.layers.0.self_attn.q_proj" is 128×64, the model's is 64×64.*qwen3/,
    );
    using deeper = Adapter.open(changed('lora', {}, (name) => name.replace('layers.2', 'layers.9')));
    using qwen3 = openCheckpoint(at('logits/qwen3-tied-headdim'));
    expect(() => deeper.check(qwen3)).toThrow(/layers\.9\.\S+", which the model does not have/);
  });

  it('numbers that are not finite', () => {
    const path = changed('lora', {});
    const file = join(path, 'adapter_model.safetensors');
    const bytes = readFileSync(file);
    const length = Number(bytes.readBigUInt64LE(0));
    bytes.writeFloatLE(Number.NaN, 8 + length);
    writeFileSync(file, bytes);
    using adapter = Adapter.open(path);
    expect(() => adapter.read(adapter.layers[0])).toThrow(/not finite/);
  });
});

it('patterns name modules by their ends, or from the start', () => {
  const parse = (config: JsonObject) => parseAdapterConfig(JSON.stringify({ r: 8, lora_alpha: 16, ...config }), 'x');
  const module = 'model.layers.11.mlp.up_proj';
  const scale = (config: JsonObject) => moduleScale(parse(config), module);
  expect(scale({})).toEqual({ rank: 8, scale: 2 });
  expect(scale({ rank_pattern: { up_proj: 4 } })).toEqual({ rank: 4, scale: 4 });
  expect(scale({ rank_pattern: { '1.mlp.up_proj': 4 } })).toEqual({ rank: 8, scale: 2 });
  expect(scale({ alpha_pattern: { '^model.layers.11.mlp.up_proj': 24 } })).toEqual({ rank: 8, scale: 3 });
  expect(scale({ alpha_pattern: { '^mlp.up_proj': 24 } })).toEqual({ rank: 8, scale: 2 });
  expect(scale({ use_rslora: true })).toEqual({ rank: 8, scale: 16 / Math.sqrt(8) });
});
