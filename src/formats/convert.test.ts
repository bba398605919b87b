import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type * as fs from 'node:fs/promises';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KaiwenError } from '../errors.js';
import { byteLength, type DType } from '../tensor/dtype.js';
import { loadTokenizer } from '../tokenizer/load.js';
import type { Checkpoint, JsonObject, TensorInfo } from './checkpoint.js';
import { convert } from './convert.js';
import { architectureOfConfig } from './gguf-config.js';
import { toGgufName } from './gguf-names.js';
import { tokenizerMetadata } from './gguf-tokenizer.js';
import { openCheckpoint } from './open.js';
import { replaceTarget } from './output.js';
import { dequantizeTensor, quantizeTensor } from './quant/index.js';
import { mixedType } from './quant-mix.js';
import { orderFor } from './reorder.js';
import { writeSafetensors } from './safetensors-writer.js';

/** Bytes after which the next writes fail as on a full disk. */
const disk = vi.hoisted(() => ({ room: Number.POSITIVE_INFINITY }));

vi.mock('node:fs/promises', async (original) => {
  const actual = await original<typeof fs>();
  return {
    ...actual,
    open: async (...args: Parameters<typeof actual.open>) => {
      const handle = await actual.open(...args);
      const write = handle.write.bind(handle) as (bytes: Uint8Array, from: number, length: number) => unknown;
      handle.write = ((bytes: Uint8Array, from: number, length: number) => {
        disk.room -= length;
        if (disk.room < 0) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
        return write(bytes, from, length);
      }) as typeof handle.write;
      return handle;
    },
  };
});

const LOGITS = 'test/fixtures/logits';
const GLOSSARY = 'models/glossary';
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-convert-'));
  disk.room = Number.POSITIVE_INFINITY;
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('every architecture', () => {
  it.each(readdirSync(LOGITS))('%s comes back from GGUF as it went in', async (name) => {
    const source = join(LOGITS, name);
    const gguf = join(folder, 'model.gguf');
    const again = join(folder, 'again');
    await convert(source, gguf, { type: 'f32' });
    await convert(gguf, again, { type: 'f32' });
    using before = openCheckpoint(source);
    using after = openCheckpoint(again);
    expect([...after.tensors.keys()].sort()).toEqual([...before.tensors.keys()].sort());
    const { stored } = changes(before);
    for (const tensor of before.tensors.values()) {
      const back = after.tensors.get(tensor.name)!;
      expect(back.shape, tensor.name).toEqual(tensor.shape);
      const [x, y] = [values(before, tensor), values(after, back)];
      // Where GGUF stores 1 + x or -exp(x) in float32, that much is lost.
      const bound = stored.has(tensor.name) ? 1e-6 : 0;
      expect(largestDifference(x, y), tensor.name).toBeLessThanOrEqual(bound);
    }
    const keep = [
      ...['model_type', 'hidden_size', 'intermediate_size', 'head_dim', 'num_key_value_heads', 'tie_word_embeddings'],
      ...['rms_norm_eps', 'rope_theta', 'rope_scaling', 'max_position_embeddings', 'seq_length', 'use_dynamic_ntk'],
      ...['use_logn_attn', 'num_experts', 'num_experts_per_tok', 'moe_intermediate_size', 'norm_topk_prob'],
      ...['layer_types', 'linear_value_head_dim', 'linear_num_value_heads', 'mrope_section'],
    ];
    expect(after.config.partial_rotary_factor ?? 1).toBe(before.config.partial_rotary_factor ?? 1);
    for (const field of keep) expect(after.config[field], field).toEqual(before.config[field]);
    expect(after.config.kaiwen_rope_interleaved ?? after.config.kaiwen_value_heads_tiled).toBeUndefined();
  });

  it('GGUF has the row orders that llama.cpp expects', async () => {
    const gguf = join(folder, 'model.gguf');
    await convert(join(LOGITS, 'llama3-rope-scaled'), gguf, { type: 'f32' });
    using before = openCheckpoint(join(LOGITS, 'llama3-rope-scaled'));
    using after = openCheckpoint(gguf);
    const name = 'model.layers.1.self_attn.q_proj.weight';
    const [x, y] = [values(before, before.tensors.get(name)!), values(after, after.tensors.get(name)!)];
    // Heads of 16 rows of 64: row 16 h + 2 i + s of the file is row 16 h + 8 s + i of the checkpoint.
    for (const [h, i, s] of [
      [0, 0, 1],
      [1, 3, 0],
      [3, 7, 1],
    ]) {
      const row = (m: Float32Array, at: number) => m.subarray(64 * at, 64 * at + 64);
      expect(row(y, 16 * h + 2 * i + s)).toEqual(row(x, 16 * h + 8 * s + i));
    }
    expect(after.tensors.get('rope_freqs.weight')?.shape).toEqual([8]);
  });

  it('value heads go from grouped to tiled and back', () => {
    const config: JsonObject = {
      linear_num_key_heads: 2,
      linear_num_value_heads: 6,
      linear_key_head_dim: 1,
      linear_value_head_dim: 2,
    };
    const rule = { gguf: '', hf: '', order: 'value-rows' as const };
    const there = orderFor(rule, [6], config, 'gguf').rows!;
    expect([0, 1, 2, 3, 4, 5].map(there)).toEqual([0, 3, 1, 4, 2, 5]);
    const back = orderFor(rule, [6], { ...config, kaiwen_value_heads_tiled: true }, 'safetensors').rows!;
    expect([0, 1, 2, 3, 4, 5].map((i) => back(there(i)))).toEqual([0, 1, 2, 3, 4, 5]);
    const after = orderFor({ ...rule, order: 'value-rows-after-qk' }, [16], config, 'gguf').rows!;
    expect([3, 4, 5, 6, 7].map(after)).toEqual([3, 4, 5, 10, 11]);
    expect(orderFor(rule, [6], { ...config, kaiwen_value_heads_tiled: true }, 'gguf')).toEqual({});
  });
});

describe('quantised', () => {
  it.each(['q8_0', 'q4_0', 'f16', 'bf16'] as const)('%s is what the quantiser makes of each row', async (type) => {
    const gguf = join(folder, 'model.gguf');
    await convert(GLOSSARY, gguf, { type });
    using before = openCheckpoint(GLOSSARY);
    using after = openCheckpoint(gguf);
    for (const tensor of before.tensors.values()) {
      const stored = after.tensors.get(tensor.name)!;
      expect(stored.dtype).toBe(
        tensor.shape.length < 2 ? 'f32' : type === 'q4_0' && tensor.name.includes('embed') ? 'q8_0' : type,
      );
      const x = values(before, tensor);
      const expected = new Uint8Array(byteLength(stored.dtype, x.length));
      quantizeTensor(stored.dtype, x, expected);
      const actual = new Uint8Array(stored.byteLength);
      after.read(stored, actual);
      expect(Buffer.compare(actual, expected), tensor.name).toBe(0);
    }
  });

  it('q4_k_m gives more bits where llama.cpp does', async () => {
    const source = join(folder, 'source');
    await syntheticQwen3(source, 8);
    await convert(source, join(folder, 'model.gguf'), { type: 'q4_k_m' });
    using after = openCheckpoint(join(folder, 'model.gguf'));
    const type = (layer: number, name: string) => after.tensors.get(`model.layers.${layer}.${name}.weight`)!.dtype;
    // The first and the last eighth, and every third layer between.
    const more = [0, 3, 6, 7];
    for (let layer = 0; layer < 8; layer++) {
      expect(type(layer, 'self_attn.v_proj')).toBe(more.includes(layer) ? 'q6_k' : 'q4_k');
      expect(type(layer, 'mlp.down_proj')).toBe(more.includes(layer) ? 'q6_k' : 'q4_k');
      expect(type(layer, 'self_attn.q_proj')).toBe('q4_k');
      expect(type(layer, 'input_layernorm')).toBe('f32');
    }
    expect(after.tensors.get('model.embed_tokens.weight')!.dtype).toBe('q6_k');
  });

  it('rows that are no whole blocks get a type that fits', () => {
    const context = { layers: 1, tied: false };
    expect(mixedType('q4_k_m', 'blk.0.attn_q.weight', [8, 128], context)).toBe('q8_0');
    expect(mixedType('q6_k', 'blk.0.attn_q.weight', [8, 48], context)).toBe('f16');
    expect(mixedType('q4_0', 'output.weight', [8, 256], context)).toBe('q6_k');
    expect(mixedType('q4_0', 'token_embd.weight', [8, 256], context)).toBe('q4_0');
    expect(mixedType('f16', 'blk.0.ffn_gate_inp.weight', [8, 256], context)).toBe('f32');
  });

  it.each([Number.NaN, Number.NEGATIVE_INFINITY])('%s among the weights is refused', async (value) => {
    await syntheticQwen3(join(folder, 'model'), 1);
    const file = join(folder, 'model', 'model.safetensors');
    const bytes = readFileSync(file);
    bytes.writeFloatLE(value, bytes.length - 400);
    writeFileSync(file, bytes);
    const failed = convert(join(folder, 'model'), join(folder, 'x.gguf'), { type: 'q4_k_m' });
    await expect(failed).rejects.toMatchObject({ code: 'bad_file', message: expect.stringContaining('down_proj') });
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('a type that stays the same is copied, not quantised again', async () => {
    const [first, second] = [join(folder, 'a.gguf'), join(folder, 'b.gguf')];
    await convert(GLOSSARY, first, { type: 'q4_0' });
    await convert(first, second, { type: 'q4_0' });
    using a = openCheckpoint(first);
    using b = openCheckpoint(second);
    for (const tensor of a.tensors.values()) {
      expect(largestDifference(values(b, b.tensors.get(tensor.name)!), values(a, tensor))).toBe(0);
    }
  });
});

describe('tokenizer', () => {
  const texts = ['What does "logic" mean?', 'naïve 你好 🙂\n\n  x_1 = 42', '<|im_start|>user\n'];

  it('ids, control tokens and template survive GGUF and the way back', async () => {
    const gguf = join(folder, 'model.gguf');
    await convert(GLOSSARY, gguf, { type: 'q8_0' });
    await convert(gguf, join(folder, 'again'));
    using source = openCheckpoint(GLOSSARY);
    const original = loadTokenizer(source.tokenizer!);
    for (const path of [gguf, join(folder, 'again')]) {
      using checkpoint = openCheckpoint(path);
      const tokenizer = loadTokenizer(checkpoint.tokenizer!);
      for (const text of texts) {
        for (const control of [false, true]) {
          expect(tokenizer.encode(text, { control })).toEqual(original.encode(text, { control }));
        }
      }
      expect(tokenizer.eosTokens).toEqual(original.eosTokens);
      expect(checkpoint.chatTemplate).toBe(source.chatTemplate);
      const { do_sample: _, ...sampling } = source.generationConfig;
      expect(checkpoint.generationConfig).toMatchObject(sampling);
    }
  });

  it('ranks of the first generation become merges', () => {
    const path = join(folder, 'qwen.tiktoken');
    const tokens = [...Array.from({ length: 256 }, (_, byte) => [byte]), [97, 98], [97, 98, 99]];
    writeFileSync(path, tokens.map((bytes, rank) => `${Buffer.from(bytes).toString('base64')} ${rank}\n`).join(''));
    const checkpoint = {
      path: folder,
      tokenizer: { kind: 'tiktoken', path, config: {} },
      generationConfig: { eos_token_id: 258 },
    } as unknown as Checkpoint;
    const entries = tokenizerMetadata(checkpoint, 600);
    expect(entries.get('tokenizer.ggml.merges')?.value).toEqual(['a b', 'ab c']);
    const metadata = Object.fromEntries([...entries].map(([key, { value }]) => [key, value]));
    const [direct, back] = [loadTokenizer(checkpoint.tokenizer!), loadTokenizer({ kind: 'gguf', metadata })];
    for (const text of ['abcab', ...texts]) expect(back.encode(text)).toEqual(direct.encode(text));
    expect(() => tokenizerMetadata(checkpoint, 300)).toThrow('466 ids, but 300 rows');
  });

  it('weights without one get none', async () => {
    await convert(join(LOGITS, 'qwen2-tied-gqa'), join(folder, 'model.gguf'), { type: 'f32' });
    using checkpoint = openCheckpoint(join(folder, 'model.gguf'));
    expect(checkpoint.tokenizer).toBeUndefined();
    expect(checkpoint.config.vocab_size).toBe(320);
  });
});

describe('output', () => {
  it('is refused where something is, and replaced when asked', async () => {
    const gguf = join(folder, 'model.gguf');
    await convert(GLOSSARY, gguf, { type: 'q4_0' });
    const before = readFileSync(gguf).length;
    await expect(convert(GLOSSARY, gguf)).rejects.toMatchObject({ code: 'bad_input' });
    await convert(GLOSSARY, gguf, { type: 'q8_0', force: true });
    expect(readFileSync(gguf).length).toBeGreaterThan(before);
    await expect(convert(gguf, gguf, { force: true })).rejects.toThrow('is the model that is read');
    await convert(gguf, join(folder, 'model'));
    await expect(convert(join(folder, 'model'), join(folder, 'model'), { force: true })).rejects.toThrow('is read');
    await convert(gguf, join(folder, 'model'), { type: 'f16', force: true });
    // A folder of something else is never removed.
    await mkdir(join(folder, 'other'));
    writeFileSync(join(folder, 'other', 'letter.txt'), 'x');
    await expect(convert(gguf, join(folder, 'other'), { force: true })).rejects.toThrow(
      'no model that could be replaced',
    );
    await expect(convert(gguf, join(folder, 'none', 'x.gguf'))).rejects.toMatchObject({ code: 'not_found' });
    await expect(convert(gguf, join(folder, 'y'), { type: 'q8_0' })).rejects.toMatchObject({ code: 'usage' });
    expect(readdirSync(folder).sort()).toEqual(['model', 'model.gguf', 'other']);
  });

  it.each(['model.gguf', 'model'])('leaves nothing of %s behind when the disk is full', async (name) => {
    disk.room = 1_000_000;
    const failed = convert(GLOSSARY, join(folder, name));
    await expect(failed).rejects.toMatchObject({ code: 'io', remedy: expect.stringContaining('space') });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is refused beforehand where the disk has too little room', async () => {
    const write = vi.fn();
    await expect(replaceTarget(join(folder, 'x'), { bytes: 2 ** 60 }, write)).rejects.toMatchObject({ code: 'io' });
    expect(write).not.toHaveBeenCalled();
  });

  it('leaves nothing behind when cancelled', async () => {
    const cancel = new AbortController();
    const onProgress = vi.fn(() => cancel.abort());
    const cancelled = convert(GLOSSARY, join(folder, 'model.gguf'), { signal: cancel.signal, onProgress });
    await expect(cancelled).rejects.toBeInstanceOf(KaiwenError);
    expect(onProgress).toHaveBeenCalled();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is split into shards with an index', async () => {
    await syntheticQwen3(join(folder, 'model'), 2, 300_000);
    expect(existsSync(join(folder, 'model', 'model.safetensors.index.json'))).toBe(true);
    using checkpoint = openCheckpoint(join(folder, 'model'));
    expect(new Set([...checkpoint.tensors.values()].map(({ file }) => file)).size).toBeGreaterThan(2);
    expect(values(checkpoint, checkpoint.tensors.get('model.layers.1.self_attn.q_proj.weight')!)[1]).toBeCloseTo(0.5);
  });
});

function values(checkpoint: Checkpoint, tensor: TensorInfo): Float32Array {
  const bytes = new Uint8Array(tensor.byteLength);
  checkpoint.read(tensor, bytes);
  const out = new Float32Array(tensor.shape.reduce((a, b) => a * b, 1));
  dequantizeTensor(tensor.dtype, bytes, out);
  return out;
}

function largestDifference(x: Float32Array, y: Float32Array): number {
  return x.reduce((largest, v, i) => Math.max(largest, Math.abs(v - y[i])), 0);
}

/** Names of the tensors of which GGUF stores something else. */
function changes({ config, path, tensors }: Checkpoint): { stored: Set<string> } {
  const architecture = architectureOfConfig(config, path);
  return { stored: new Set([...tensors.keys()].filter((name) => toGgufName(architecture, name)?.rule.stored)) };
}

/** A Qwen3 with rows of 256 and the weights sin(i) · 0.6. */
async function syntheticQwen3(path: string, layers: number, shardBytes?: number): Promise<void> {
  await mkdir(path);
  const config = {
    architectures: ['Qwen3ForCausalLM'],
    model_type: 'qwen3',
    hidden_size: 256,
    intermediate_size: 256,
    num_hidden_layers: layers,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 64,
    vocab_size: 300,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-6,
    rope_theta: 1e6,
    tie_word_embeddings: true,
  };
  writeFileSync(join(path, 'config.json'), JSON.stringify(config));
  const shapes: Record<string, number[]> = { 'model.embed_tokens': [300, 256], 'model.norm': [256] };
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}`;
    for (const name of ['input_layernorm', 'post_attention_layernorm']) shapes[`${prefix}.${name}`] = [256];
    for (const name of ['q_norm', 'k_norm']) shapes[`${prefix}.self_attn.${name}`] = [64];
    for (const name of ['q_proj', 'o_proj']) shapes[`${prefix}.self_attn.${name}`] = [256, 256];
    for (const name of ['k_proj', 'v_proj']) shapes[`${prefix}.self_attn.${name}`] = [128, 256];
    for (const name of ['gate_proj', 'up_proj', 'down_proj']) shapes[`${prefix}.mlp.${name}`] = [256, 256];
  }
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const data = new Float32Array(shape.reduce((a, b) => a * b)).map((_, i) => Math.sin(i) * 0.6);
    return { name: `${name}.weight`, dtype: 'f32' as DType, shape, pieces: () => [new Uint8Array(data.buffer)] };
  });
  await writeSafetensors(path, tensors, { shardBytes });
}
