import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { random } from '../../test/sequence-cases.js';
import { Adapter } from '../adapters/adapter.js';
import { MergedCheckpoint } from '../adapters/merged.js';
import type { Checkpoint, JsonObject } from '../formats/checkpoint.js';
import { convert } from '../formats/convert.js';
import { openCheckpoint } from '../formats/open.js';
import { dequantizeTensor } from '../formats/quant/index.js';
import { openTokenizer } from '../tokenizer/load.js';
import { modelCard } from './card.js';
import { type TrainedModel, type TrainedTensor, writeAdapter, writeModelFolder } from './export.js';
import { describeBase, newLineage, readLineage } from './lineage.js';

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const glossary = at('models/glossary');
const folder = mkdtempSync(join(tmpdir(), 'kaiwen-'));
afterAll(() => rmSync(folder, { recursive: true }));

const LORA = { rank: 4, alpha: 8, dropout: 0.1, rslora: false, dora: true };
const lineage = newLineage({
  method: 'sft (lora)',
  base: { name: 'glossary', hash: 'abc', licence: 'other' },
  data: [
    { name: 'shop | <b>.jsonl', hash: 'def', documents: 1200, tokens: 34_567, licence: 'CC-BY-4.0' },
    { name: 'notes', hash: '123' },
  ],
  settings: { rate: 0.0002, targets: ['q_proj'] },
  seed: 7,
  results: { steps: 40, loss: 1.25 },
});

/** A checkpoint's values as if they had been trained. */
function trained(checkpoint: Checkpoint, extra: [TrainedTensor, Float32Array][] = []): TrainedModel {
  const values = new Map<TrainedTensor, Float32Array>(extra);
  for (const tensor of checkpoint.tensors.values()) {
    const bytes = new Uint8Array(tensor.byteLength);
    checkpoint.read(tensor, bytes);
    const floats = new Float32Array(tensor.shape.reduce((a, b) => a * b, 1));
    dequantizeTensor(tensor.dtype, bytes, floats);
    const shape = tensor.shape.length === 1 ? [floats.length] : tensor.shape;
    values.set({ name: tensor.name, shape, type: 'f32' }, floats);
  }
  const all = [...values.keys()];
  return {
    config: checkpoint.config as JsonObject,
    options: { train: extra.length > 0 ? { lora: LORA } : 'all' },
    parameters: extra.length > 0 ? extra.map(([tensor]) => tensor) : all,
    tensors: () => new Map(all.map((tensor) => [tensor.name, tensor])),
    get: (tensor) => values.get(tensor)!,
  };
}

function adapterOf(module: string, out: number, input: number): [TrainedTensor, Float32Array][] {
  const stem = `base_model.model.${module}`;
  const tensor = (name: string, shape: number[]): TrainedTensor => ({ name: `${stem}.${name}`, shape, type: 'f32' });
  return [
    [tensor('lora_A.weight', [4, input]), random(4 * input, 1)],
    [tensor('lora_B.weight', [out, 4]), random(out * 4, 2)],
    [tensor('lora_magnitude_vector', [out]), random(out, 3)],
  ];
}

describe('a whole model', () => {
  it.each(['bf16', 'f32'] as const)('is written as a folder with all that belongs to it: %s', async (type) => {
    using source = openCheckpoint(glossary);
    const out = join(folder, type);
    const template = '{{ messages[0].content }}';
    await writeModelFolder(trained(source), out, {
      ...{ tokenizer: glossary, lineage, type, licence: 'mit', title: 'Shop' },
      ...{ chatTemplate: template, generationConfig: { temperature: 0.5 } },
    });
    using written = openCheckpoint(out);
    expect([...written.tensors.keys()].sort()).toEqual([...source.tensors.keys()].sort());
    for (const tensor of source.tensors.values()) {
      const [before, after] = [source, written].map((one) => {
        const { dtype, byteLength } = one.tensors.get(tensor.name)!;
        const values = new Float32Array(tensor.shape.reduce((a, b) => a * b, 1));
        const bytes = new Uint8Array(byteLength);
        one.read(one.tensors.get(tensor.name)!, bytes);
        dequantizeTensor(dtype, bytes, values);
        return values;
      });
      // The source is bf16: nothing is lost either way.
      expect(Buffer.compare(new Uint8Array(after.buffer), new Uint8Array(before.buffer)), tensor.name).toBe(0);
    }
    expect(written.chatTemplate).toBe(template);
    expect(written.generationConfig).toMatchObject({ temperature: 0.5 });
    expect(written.licence).toBe('mit');
    expect(readLineage(out)).toEqual(lineage);
    expect(openTokenizer(out).encode('A whale is')).toEqual(openTokenizer(glossary).encode('A whale is'));
  });

  it('is not written where the tokenizer has more ids than the model has rows', async () => {
    using source = openCheckpoint(at('test/fixtures/logits/qwen3-tied-headdim'));
    const out = join(folder, 'foreign');
    const written = writeModelFolder(trained(source), out, { tokenizer: glossary, lineage });
    await expect(written).rejects.toMatchObject({ code: 'bad_file' });
    expect(readdirSync(folder)).not.toContain('foreign');
  });
});

describe('an adapter', () => {
  it('is written in the layout that is read, with all that belongs to it', async () => {
    using source = openCheckpoint(glossary);
    const tensor = source.tensors.get('model.layers.0.mlp.up_proj.weight')!;
    const out = join(folder, 'adapter');
    const parts = adapterOf('model.layers.0.mlp.up_proj', tensor.shape[0], tensor.shape[1]);
    const options = { tokenizer: glossary, base: 'hub/glossary', lineage };
    await writeAdapter(trained(source, parts), out, options);
    using adapter = Adapter.open(out);
    expect(adapter.config).toMatchObject({ base: 'hub/glossary', rank: 4, alpha: 8, dora: true, rslora: false });
    expect(adapter.layers).toMatchObject([{ tensor: tensor.name, out: tensor.shape[0], scale: 2, isDora: true }]);
    const factors = adapter.read(adapter.layers[0]);
    expect(factors.a).toEqual(parts[0][1]);
    expect(factors.b).toEqual(parts[1][1].map((value) => 2 * value));
    expect(factors.magnitude).toEqual(parts[2][1]);
    expect(readdirSync(out)).toEqual(expect.arrayContaining(['tokenizer.json', 'lineage.json', 'README.md']));
    await expect(writeAdapter(trained(source, parts), out, options)).rejects.toMatchObject({ code: 'bad_input' });
    await writeAdapter(trained(source, parts), out, { ...options, force: true });
    // Only an adapter gives way to an adapter.
    const other = writeAdapter(trained(source, parts), folder, { ...options, force: true });
    await expect(other).rejects.toMatchObject({ code: 'bad_input' });
  });

  it("is written in Hugging Face's order of rows when its base was a GGUF file", async () => {
    const base = at('test/fixtures/logits/llama3-rope-scaled');
    const gguf = join(folder, 'llama.gguf');
    await convert(base, gguf, { type: 'f32' });
    using original = openCheckpoint(base);
    using converted = openCheckpoint(gguf);
    const name = 'model.layers.1.self_attn.q_proj.weight';
    const [out, input] = original.tensors.get(name)!.shape;
    const parts = adapterOf('model.layers.1.self_attn.q_proj', out, input);
    const [inGguf, inFolder] = ['gguf-rows', 'folder-rows'].map((one) => join(folder, one));
    const options = { tokenizer: tokenizerOf(320), base, lineage };
    await writeAdapter(trained(converted, parts), inGguf, options);
    await writeAdapter(trained(original, parts), inFolder, options);
    // What training computed in the order of GGUF is, merged there, in that order again.
    const merged = (checkpoint: Checkpoint, path: string) => {
      using adapter = Adapter.open(path);
      const sum = new MergedCheckpoint(checkpoint, adapter);
      const values = new Float32Array(out * input);
      sum.read(sum.tensors.get(name)!, new Uint8Array(values.buffer));
      return values;
    };
    using rows = Adapter.open(inGguf);
    expect(rows.read(rows.layers[0]).b).not.toEqual(parts[1][1].map((value) => 2 * value));
    const direct = merged(converted, inGguf);
    const row = merged(original, inFolder);
    expect(direct).not.toEqual(row);
    const restored = merged(original, inGguf);
    const interleaved = (i: number) => i - (i % 16) + (i % 2) * 8 + ((i % 16) >> 1);
    for (let i = 0; i < out; i++) {
      const from = interleaved(i) * input;
      expect(direct.subarray(i * input, (i + 1) * input)).toEqual(restored.subarray(from, from + input));
    }
  });

  /** A folder with a byte tokenizer of so many ids at most. */
  function tokenizerOf(ids: number): string {
    const path = mkdtempSync(join(folder, 'tokenizer-'));
    const alphabet = Object.keys(
      JSON.parse(readFileSync(join(glossary, 'tokenizer.json'), 'utf8')).model.vocab as Record<string, number>,
    ).filter((token) => [...token].length === 1);
    const json = JSON.parse(readFileSync(join(glossary, 'tokenizer.json'), 'utf8'));
    json.model.vocab = Object.fromEntries(alphabet.slice(0, ids).map((token, i) => [token, i]));
    json.model.merges = [];
    json.added_tokens = [];
    writeFileSync(join(path, 'tokenizer.json'), JSON.stringify(json));
    return path;
  }
});

it('a card has front matter that parses, and tables that a name cannot break', async () => {
  const text = readFileSync(join(folder, 'adapter', 'README.md'), 'utf8');
  const [, front, body] = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(text)!;
  expect(parse(front)).toMatchObject({
    base_model: 'glossary',
    base_model_relation: 'adapter',
    library_name: 'peft',
    tags: ['kaiwen', 'sft', 'lora'],
  });
  expect(body).toContain('| shop &#124; &#60;b&#62;.jsonl | 1,200 | 34,567 | CC-BY-4.0 |  | def |');
  expect(body).toContain('fine-tuned from glossary, with Kaiwen');
  expect(body).toContain('1 of 2 parts state no licence');
  expect(body).toContain('| loss | 1.25 |');
  const facts = { title: 'x', kind: 'model', lineage, architecture: 'qwen3', parameters: 1 } as const;
  expect(modelCard({ ...facts, licence: 'Apache-2.0' })).toContain('license: apache-2.0\n');
  expect(modelCard({ ...facts, licence: 'WordNet 3.0' })).toContain('license: other\nlicense_name: WordNet 3.0\n');
});

it("a base is described by its name, its bytes' hash and where it comes from", async () => {
  const one = describeBase(join(folder, 'f32'));
  expect(one).toMatchObject({ name: 'f32', licence: 'mit', lineage: { method: 'sft (lora)', seed: 7 } });
  expect(one.hash).toMatch(/^[0-9a-f]{64}$/);
  expect(describeBase(join(folder, 'bf16')).hash).not.toBe(one.hash);
  expect(lineage.code).toMatchObject({ name: 'kaiwen', version: expect.stringMatching(/^\d/) });
});
