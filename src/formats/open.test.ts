import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KaiwenError } from '../errors.js';
import type { Checkpoint } from './checkpoint.js';
import type { GgufValue } from './gguf-config.js';
import { ggufFromConfig } from './gguf-config.js';
import { ARCHITECTURES, toGgufName } from './gguf-names.js';
import { writeGguf } from './gguf-writer.js';
import { openCheckpoint } from './open.js';
import { readSafetensors } from './safetensors.js';

const LOGITS = 'test/fixtures/logits';
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-open-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** An empty folder of its own for a test. */
function fresh(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}

type Tensors = Record<string, { shape: number[]; data: ArrayLike<number>; dtype?: string }>;

/** Writes a safetensors file; `dtype` other than F32 takes data as raw bytes. */
function saveTensors(path: string, tensors: Tensors): void {
  const header: Record<string, unknown> = {};
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const [name, { shape, data, dtype = 'F32' }] of Object.entries(tensors)) {
    const bytes = dtype === 'F32' ? new Uint8Array(Float32Array.from(data).buffer) : Uint8Array.from(data);
    header[name] = { dtype, shape, data_offsets: [end, (end += bytes.length)] };
    parts.push(bytes);
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(path, Buffer.concat([length, json, ...parts]));
}

function saveFolder(name: string, config: unknown, tensors: Tensors): string {
  const path = fresh(name);
  writeFileSync(join(path, 'config.json'), JSON.stringify(config));
  saveTensors(join(path, 'model.safetensors'), tensors);
  return path;
}

function values(checkpoint: Checkpoint, name: string): number[] {
  const tensor = checkpoint.tensors.get(name)!;
  expect(tensor.dtype).toBe('f32');
  return [...new Float32Array(read(checkpoint, name))];
}

function read(checkpoint: Checkpoint, name: string): ArrayBuffer {
  const tensor = checkpoint.tensors.get(name)!;
  const bytes = new Uint8Array(tensor.byteLength);
  checkpoint.read(tensor, bytes);
  return bytes.buffer;
}

describe('a Hugging Face folder', () => {
  it.each(readdirSync(LOGITS))('%s opens with the shapes and bytes of its file', (name) => {
    using checkpoint = openCheckpoint(join(LOGITS, name));
    const file = readSafetensors(join(LOGITS, name, 'model.safetensors'));
    for (const [key, { shape, data }] of file) {
      const expert = /^(.*)\.(\d+)\.(\w+_proj\.weight)$/.exec(key);
      if (expert?.[1]?.endsWith('experts')) {
        const tensor = checkpoint.tensors.get(`${expert[1]}.${expert[3]}`)!;
        expect(tensor.shape).toEqual([8, ...shape]);
        const into = new Uint8Array(data.byteLength);
        checkpoint.read(tensor, into, Number(expert[2]) * data.byteLength);
        expect(Buffer.from(into.buffer).equals(new Uint8Array(data.buffer))).toBe(true);
      } else {
        expect(checkpoint.tensors.get(key)).toMatchObject({ name: key, dtype: 'f32', shape });
        expect(Buffer.from(read(checkpoint, key)).equals(new Uint8Array(data.buffer))).toBe(true);
      }
    }
  });

  it('gives the tokenizer, template, licence and generation defaults of the glossary model', () => {
    using checkpoint = openCheckpoint('models/glossary');
    expect(checkpoint.config).toMatchObject({ model_type: 'qwen3', hidden_size: 128, rope_theta: 10_000 });
    expect(checkpoint.tokenizer).toMatchObject({ kind: 'tokenizer.json', config: { eos_token: '<|im_end|>' } });
    expect(checkpoint.chatTemplate).toContain('<|im_start|>assistant');
    const generation = JSON.parse(readFileSync('models/glossary/generation_config.json', 'utf8'));
    expect(checkpoint.generationConfig).toMatchObject(generation);
    expect(checkpoint.tensors.get('model.embed_tokens.weight')).toMatchObject({ dtype: 'bf16', shape: [4096, 128] });
  });

  it('flattens text_config, strips its prefix and leaves vision and MTP out', () => {
    const one = { shape: [1], data: [1] };
    const path = saveFolder(
      'nested',
      {
        architectures: ['Qwen3_5ForConditionalGeneration'],
        model_type: 'qwen3_5',
        tie_word_embeddings: false,
        vision_config: { hidden_size: 1 },
        text_config: {
          model_type: 'qwen3_5_text',
          hidden_size: 64,
          num_hidden_layers: 4,
          num_attention_heads: 4,
          eos_token_id: 7,
          tie_word_embeddings: true,
          rope_parameters: {
            rope_type: 'default',
            rope_theta: 1e7,
            partial_rotary_factor: 0.25,
            mrope_section: [2, 1, 1],
          },
        },
      },
      {
        'model.language_model.norm.weight': one,
        'lm_head.weight': one,
        'model.visual.a': one,
        'mtp.a': one,
        'mtp.b': one,
      },
    );
    using checkpoint = openCheckpoint(path);
    expect(checkpoint.config).toMatchObject({
      model_type: 'qwen3_5_text',
      architectures: ['Qwen3_5ForCausalLM'],
      hidden_size: 64,
      tie_word_embeddings: false,
      rope_theta: 1e7,
      partial_rotary_factor: 0.25,
      layer_types: ['linear_attention', 'linear_attention', 'linear_attention', 'full_attention'],
    });
    expect(checkpoint.config).not.toHaveProperty('rope_scaling');
    expect(checkpoint.generationConfig).toEqual({ eos_token_id: 7 });
    expect([...checkpoint.tensors.keys()]).toEqual(['model.norm.weight', 'lm_head.weight']);
    expect(checkpoint.notices).toEqual([
      expect.stringContaining('vision tower (1 tensors)'),
      expect.stringContaining('multi-token-prediction head (2 tensors)'),
    ]);
  });

  it('finds rotary scaling in both places and under both names', () => {
    const scaling = { factor: 4, original_max_position_embeddings: 128 };
    const old = saveFolder('old-rope', { model_type: 'qwen3', rope_scaling: { type: 'yarn', ...scaling } }, {});
    const parameters = { rope_type: 'yarn', rope_theta: 5, ...scaling };
    const recent = saveFolder('new-rope', { model_type: 'qwen3', rope_parameters: parameters }, {});
    expect(openCheckpoint(old).config.rope_scaling).toEqual({ rope_type: 'yarn', ...scaling });
    expect(openCheckpoint(recent).config).toMatchObject({
      rope_theta: 5,
      rope_scaling: { rope_type: 'yarn', ...scaling },
    });
  });

  it('splits fused experts, whole or in pieces', () => {
    // Two experts; each two rows of gate, then two rows of up, of width three.
    const data = Array.from({ length: 24 }, (_, i) => i);
    const path = saveFolder(
      'fused',
      { model_type: 'qwen3_5_moe_text' },
      {
        'model.layers.0.mlp.experts.gate_up_proj': { shape: [2, 4, 3], data },
        'model.layers.0.mlp.experts.down_proj': { shape: [2, 3, 2], data: data.slice(0, 12) },
      },
    );
    using checkpoint = openCheckpoint(path);
    const experts = 'model.layers.0.mlp.experts';
    expect(checkpoint.tensors.get(`${experts}.gate_proj.weight`)!.shape).toEqual([2, 2, 3]);
    expect(values(checkpoint, `${experts}.gate_proj.weight`)).toEqual([0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17]);
    expect(values(checkpoint, `${experts}.up_proj.weight`)).toEqual([6, 7, 8, 9, 10, 11, 18, 19, 20, 21, 22, 23]);
    expect(values(checkpoint, `${experts}.down_proj.weight`)).toEqual(data.slice(0, 12));
    const piece = new Uint8Array(new SharedArrayBuffer(24), 4, 12);
    checkpoint.read(checkpoint.tensors.get(`${experts}.up_proj.weight`)!, piece, 16);
    expect([...new Float32Array(piece.slice().buffer)]).toEqual([10, 11, 18]);
  });

  it('reads shards by their index', () => {
    const path = fresh('shards');
    writeFileSync(join(path, 'config.json'), '{"model_type":"qwen3"}');
    saveTensors(join(path, 'model-00001-of-00002.safetensors'), { a: { shape: [2], data: [1, 2] } });
    saveTensors(join(path, 'model-00002-of-00002.safetensors'), { b: { shape: [1], data: [3] } });
    const index = (map: unknown) =>
      writeFileSync(join(path, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
    index({ a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' });
    using checkpoint = openCheckpoint(path);
    expect([values(checkpoint, 'a'), values(checkpoint, 'b')]).toEqual([[1, 2], [3]]);

    index({ a: 'model-00003-of-00003.safetensors' });
    expect(() => openCheckpoint(path)).toThrow(/model-00003-of-00003.safetensors: no such file/);
    index({ a: '../shards/model-00001-of-00002.safetensors' });
    expect(() => openCheckpoint(path)).toThrow(/tensor 'a' is said to lie in/);
    index({ c: 'model-00001-of-00002.safetensors' });
    expect(() => openCheckpoint(path)).toThrow(/tensor 'c' is missing/);
  });

  it('finds template and licence where publishers put them', () => {
    const path = saveFolder('card', { model_type: 'qwen3' }, {});
    const template = { name: 'default', template: 'T' };
    writeFileSync(
      join(path, 'tokenizer_config.json'),
      JSON.stringify({ chat_template: [{ name: 'tool_use', template: 'U' }, template] }),
    );
    writeFileSync(join(path, 'LICENSE'), '\n  Apache License\nVersion 2.0');
    expect(openCheckpoint(path)).toMatchObject({ chatTemplate: 'T', licence: 'Apache License' });
    writeFileSync(join(path, 'chat_template.jinja'), 'J');
    writeFileSync(join(path, 'README.md'), '---\nlicense: other\nlicense_name: "qwen-research"\n---\nlicense: no');
    writeFileSync(join(path, 'qwen.tiktoken'), '');
    expect(openCheckpoint(path)).toMatchObject({
      chatTemplate: 'J',
      licence: 'qwen-research',
      tokenizer: { kind: 'tiktoken', path: join(path, 'qwen.tiktoken') },
    });
  });

  const one = { shape: [1], data: [1] };
  const refused: [string, () => string, RegExp][] = [
    ['nothing there', () => join(folder, 'nowhere'), /nowhere: no such file/],
    ['an empty folder', () => fresh('empty'), /config\.json: no such file/],
    ['another kind of file', () => 'package.json', /neither GGUF nor safetensors/],
    ['a configuration that is no JSON', () => saveConfig('broken', '{'), /no valid JSON/],
    ['no model_type', () => saveFolder('untyped', {}, {}), /model_type is missing/],
    ['no weights', () => saveConfig('weightless', '{"model_type":"qwen3"}'), /no model\.safet/],
    [
      'GPTQ weights',
      () => saveFolder('gptq', { model_type: 'qwen2', quantization_config: { quant_method: 'gptq' } }, {}),
      /gptq/,
    ],
    [
      'integer weights',
      () => saveFolder('int', { model_type: 'qwen2' }, { a: { shape: [4], data: [1, 2, 3, 4], dtype: 'I8' } }),
      /'a' has the type I8/,
    ],
    [
      'an empty tensor',
      () => saveFolder('zero', { model_type: 'qwen2' }, { a: { shape: [0], data: [] } }),
      /'a' is empty/,
    ],
    [
      'a missing expert',
      () => saveFolder('gap', { model_type: 'qwen3_moe' }, { 'model.layers.0.mlp.experts.1.up_proj.weight': one }),
      /expert 0 of .* is missing/,
    ],
    [
      'billions of layers',
      () => saveFolder('tall', { model_type: 'qwen3_5_text', num_hidden_layers: 4e9 }, {}),
      /num_hidden_layers is 4000000000/,
    ],
  ];
  it.each(refused)('with %s is refused', (_, make, message) => {
    const path = make();
    expect(() => openCheckpoint(path)).toThrow(KaiwenError);
    expect(() => openCheckpoint(path)).toThrow(message);
  });

  function saveConfig(name: string, config: string): string {
    const path = fresh(name);
    writeFileSync(join(path, 'config.json'), config);
    return path;
  }

  it('says so when a file shrank after it was opened', () => {
    const path = saveFolder('shrunk', { model_type: 'qwen3' }, { a: { shape: [8], data: Array(8).fill(1) } });
    using checkpoint = openCheckpoint(path);
    writeFileSync(join(path, 'model.safetensors'), 'short');
    expect(() => values(checkpoint, 'a')).toThrow(/truncated/);
  });
});

describe('a GGUF file', () => {
  type Source = Record<string, { shape: number[]; data: readonly number[] }>;

  async function save(name: string, metadata: Record<string, GgufValue>, tensors: Source): Promise<string> {
    const path = join(folder, name);
    await writeGguf(
      path,
      new Map(Object.entries(metadata)),
      Object.entries(tensors).map(([name, { shape, data }]) => ({
        name,
        dtype: 'f32' as const,
        shape,
        pieces: () => [new Uint8Array(Float32Array.from(data).buffer)],
      })),
    );
    return path;
  }

  const text = (value: string): GgufValue => ({ type: 'string', value });
  const int = (value: number): GgufValue => ({ type: 'u32', value });

  it('gives the configuration back that the writer was given, for every architecture', async () => {
    for (const name of readdirSync(LOGITS)) {
      using original = openCheckpoint(join(LOGITS, name));
      const architecture = ARCHITECTURES.find(({ modelType }) => modelType === original.config.model_type)!;
      const metadata = { 'general.architecture': text(architecture.gguf) };
      const fields = Object.fromEntries(ggufFromConfig(architecture, original.config));
      const row = { shape: [320, 1], data: Array(320).fill(0) };
      const tensors: Source = { 'token_embd.weight': row };
      if (original.tensors.has('lm_head.weight')) tensors['output.weight'] = row;
      using checkpoint = openCheckpoint(await save(`${name}.gguf`, { ...metadata, ...fields }, tensors));
      const expected = { ...original.config };
      // What says nothing about the model, what GGUF leaves to convention, and what it keeps in a tensor.
      for (const key of ['hidden_act', 'decoder_sparse_step', 'mlp_only_layers', 'scale_attn_weights', 'rotary_pct']) {
        delete expected[key];
      }
      if (expected.partial_rotary_factor === 1) delete expected.partial_rotary_factor;
      if (name.startsWith('llama3')) delete expected.rope_scaling;
      expect(checkpoint.config).toMatchObject(expected);
    }
  });

  it('names every tensor of every reference case in both directions', () => {
    for (const name of readdirSync(LOGITS)) {
      using original = openCheckpoint(join(LOGITS, name));
      const architecture = ARCHITECTURES.find(({ modelType }) => modelType === original.config.model_type)!;
      const names = [...original.tensors.keys()].map((name) => toGgufName(architecture, name)?.name);
      expect(names).not.toContain(undefined);
      expect(new Set(names).size).toBe(original.tensors.size);
    }
  });

  it('restores zero-centred norms, A_log and dropped axes of Qwen3.5', async () => {
    const path = await save(
      'hybrid.gguf',
      {
        'general.architecture': text('qwen35'),
        'qwen35.block_count': int(3),
        'qwen35.nextn_predict_layers': int(1),
        'qwen35.full_attention_interval': int(2),
        'qwen35.ssm.group_count': int(2),
        'qwen35.ssm.time_step_rank': int(4),
        'qwen35.ssm.inner_size': int(64),
      },
      {
        'blk.0.attn_norm.weight': { shape: [3], data: [1, 1.5, 0] },
        'blk.0.ssm_norm.weight': { shape: [2], data: [1, 2] },
        'blk.0.ssm_a': { shape: [2], data: [-1, -2] },
        'blk.0.ssm_conv1d.weight': { shape: [2, 4], data: [1, 2, 3, 4, 5, 6, 7, 8] },
        'blk.1.post_attention_norm.weight': { shape: [1], data: [3] },
        'blk.2.nextn.enorm.weight': { shape: [1], data: [3] },
      },
    );
    using checkpoint = openCheckpoint(path);
    expect(checkpoint.config).toMatchObject({
      model_type: 'qwen3_5_text',
      num_hidden_layers: 2,
      layer_types: ['linear_attention', 'full_attention'],
      linear_value_head_dim: 16,
      kaiwen_value_heads_tiled: true,
      tie_word_embeddings: true,
    });
    expect(values(checkpoint, 'model.layers.0.input_layernorm.weight')).toEqual([0, 0.5, -1]);
    expect(values(checkpoint, 'model.layers.0.linear_attn.norm.weight')).toEqual([1, 2]);
    expect(values(checkpoint, 'model.layers.0.linear_attn.A_log')).toEqual([0, Math.fround(Math.LN2)]);
    expect(checkpoint.tensors.get('model.layers.0.linear_attn.conv1d.weight')!.shape).toEqual([2, 1, 4]);
    expect(values(checkpoint, 'model.layers.1.post_attention_layernorm.weight')).toEqual([2]);
    expect(checkpoint.notices).toEqual([expect.stringContaining('multi-token-prediction head (1 tensors)')]);
    expect(checkpoint.tensors.size).toBe(5);
  });

  it('tells of interleaved rows, rope divisors, tokenizer, template, defaults and licence', async () => {
    const path = await save(
      'llama.gguf',
      {
        'general.architecture': text('llama'),
        'general.license': text('mit'),
        'general.sampling.top_k': { type: 'i32', value: 20 },
        'llama.block_count': int(1),
        'llama.rope.scaling.type': text('yarn'),
        'llama.rope.scaling.factor': { type: 'f32', value: 2.5 },
        'tokenizer.ggml.tokens': { type: 'array', elements: 'string', value: ['a', 'b'] },
        'tokenizer.ggml.eos_token_id': int(1),
        'tokenizer.ggml.eot_token_id': int(0),
        'tokenizer.chat_template': text('{{ x }}'),
      },
      { 'rope_freqs.weight': { shape: [2], data: [1, 8] }, 'output.weight': { shape: [2, 1], data: [1, 2] } },
    );
    using checkpoint = openCheckpoint(path);
    expect(checkpoint).toMatchObject({
      format: 'gguf',
      config: {
        kaiwen_rope_interleaved: true,
        tie_word_embeddings: false,
        rope_theta: 10_000,
        rope_scaling: { rope_type: 'yarn', factor: 2.5 },
      },
      generationConfig: { top_k: 20, eos_token_id: [1, 0] },
      chatTemplate: '{{ x }}',
      licence: 'mit',
      tokenizer: { kind: 'gguf', metadata: { 'tokenizer.ggml.tokens': ['a', 'b'] } },
    });
    expect(values(checkpoint, 'rope_freqs.weight')).toEqual([1, 8]);
    expect([...checkpoint.tensors.keys()]).toContain('lm_head.weight');
  });

  it('opens by any part of a split file, and as the only one of a folder', async () => {
    const path = fresh('split');
    const base = { 'general.architecture': text('qwen3'), 'qwen3.block_count': int(1) };
    const parts = [0, 1].map((i) => join('split', `m-0000${i + 1}-of-00002.gguf`));
    await save(
      parts[0]!,
      { ...base, 'split.count': { type: 'u32', value: 2 } },
      { 'output_norm.weight': { shape: [1], data: [1] } },
    );
    expect(() => openCheckpoint(path)).toThrow(/m-00002-of-00002\.gguf: no such file/);
    await save(parts[1]!, {}, { 'output.weight': { shape: [1], data: [2] } });
    for (const name of [path, ...parts.map((part) => join(folder, part))]) {
      using checkpoint = openCheckpoint(name);
      expect([values(checkpoint, 'model.norm.weight'), values(checkpoint, 'lm_head.weight')]).toEqual([[1], [2]]);
    }
  });

  it('is refused for an unknown architecture, a wrong value or no layers', async () => {
    const qwen3 = { 'general.architecture': text('qwen3') };
    const refused: [Record<string, GgufValue>, RegExp][] = [
      [{}, /general\.architecture is missing/],
      [{ 'general.architecture': text('rwkv7') }, /unknown architecture 'rwkv7'/],
      [{ ...qwen3, 'general.type': text('adapter') }, /general\.type is 'adapter'/],
      [qwen3, /qwen3\.block_count is missing/],
      [{ ...qwen3, 'qwen3.block_count': int(4e9) }, /qwen3\.block_count is 4000000000/],
      [{ ...qwen3, 'qwen3.block_count': text('many') }, /qwen3\.block_count is many/],
    ];
    for (const [i, [metadata, message]] of refused.entries()) {
      const path = await save(`refused-${i}.gguf`, metadata, {});
      expect(() => openCheckpoint(path)).toThrow(message);
    }
  });

  it('never does worse than an error, whichever byte of the header is changed', async () => {
    const path = await save(
      'flip.gguf',
      {
        'general.architecture': text('qwen35'),
        'qwen35.block_count': int(2),
        'qwen35.embedding_length': int(8),
        'qwen35.attention.head_count': int(2),
        'qwen35.rope.dimension_sections': { type: 'array', elements: 'i32', value: [2, 1, 1, 0] },
        'tokenizer.ggml.tokens': { type: 'array', elements: 'string', value: ['a', 'b'] },
      },
      {
        'token_embd.weight': { shape: [2, 8], data: Array(16).fill(1) },
        'blk.0.attn_norm.weight': { shape: [8], data: Array(8).fill(1) },
      },
    );
    const good = readFileSync(path);
    for (let at = 0; at < good.length - 96; at++) {
      for (const flip of [1, 0xff]) {
        const bad = Buffer.from(good);
        bad[at]! ^= flip;
        writeFileSync(path, bad);
        onlyKaiwenErrors(() => openCheckpoint(path).close());
      }
    }
  });
});

it('a broken safetensors header in a folder never does worse than an error', () => {
  const path = fresh('flip');
  cpSync(join(LOGITS, 'qwen2-tied-gqa', 'config.json'), join(path, 'config.json'));
  saveTensors(join(path, 'model.safetensors'), {
    'model.norm.weight': { shape: [4], data: [1, 2, 3, 4] },
    'model.layers.0.mlp.experts.gate_up_proj': { shape: [2, 4, 3], data: Array(24).fill(1) },
  });
  const good = readFileSync(join(path, 'model.safetensors'));
  for (let at = 0; at < good.length - 112; at++) {
    for (const flip of [1, 0x12]) {
      const bad = Buffer.from(good);
      bad[at]! ^= flip;
      writeFileSync(join(path, 'model.safetensors'), bad);
      onlyKaiwenErrors(() => openCheckpoint(path).close());
    }
  }
});

function onlyKaiwenErrors(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof KaiwenError)) throw error;
  }
}
