import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { random } from '../../test/sequence-cases.js';
import { convert } from '../formats/convert.js';
import { writeAdapter, writeModelFolder } from './export.js';
import { newLineage } from './lineage.js';
import { TrainableModel } from './model.js';
import { checkParity } from './parity.js';

const glossary = fileURLToPath(new URL('../../models/glossary', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kaiwen-'));
afterAll(() => rmSync(folder, { recursive: true }));

const lineage = newLineage({ method: 'sft', data: [], settings: {}, seed: 1 });
const prompts = ['A whale is', 'What does "peace" mean?', '12 + 3 = 你好'];
const LORA = { rank: 4, alpha: 8, dropout: 0, rslora: false, dora: false, targets: 'all-linear' as const, seed: 1 };

/** Moves what is trained, as steps of training would. */
function train(model: TrainableModel, strength: number): void {
  model.parameters.forEach((parameter, i) => {
    const values = model.get(parameter);
    random(parameter.n, i + 1, strength).forEach((change, j) => {
      values[j] += change;
    });
  });
}

describe('a whole model', () => {
  it('is not called finished if it predicts nothing', async () => {
    using model = TrainableModel.open(glossary, { rows: 64, train: 'all', threads: 2 });
    for (const parameter of model.parameters) model.get(parameter).fill(0);
    const out = join(folder, 'nothing');
    await writeModelFolder(model, out, { tokenizer: glossary, lineage });
    const checked = checkParity(model, out, { tokenizer: glossary, prompts, threads: 2 });
    await expect(checked).rejects.toMatchObject({ code: 'bad_input', message: expect.stringContaining('all alike') });
  });

  it.each(['f32', 'bf16'] as const)('is the same in the trainer, the engine and GGUF: %s', async (type) => {
    using model = TrainableModel.open(glossary, { rows: 64, train: 'all', threads: 2 });
    train(model, 0.003);
    const out = join(folder, type);
    await writeModelFolder(model, out, { tokenizer: glossary, lineage, type });
    const report = await checkParity(model, out, { tokenizer: glossary, prompts, threads: 2 });
    expect(report).toMatchObject({
      texts: 3,
      continuations: [expect.any(String), expect.any(String), expect.any(String)],
    });
    expect(report.engine).toBeLessThan(type === 'f32' ? 1e-4 : 0.03);
    expect(report.gguf).toBeLessThan(1e-4);
  });

  it('is the same where it is new and fields of its configuration have defaults: Qwen3.5', async () => {
    const config = {
      ...{ model_type: 'qwen3_5_text', vocab_size: 4096, hidden_size: 64, intermediate_size: 96, head_dim: 32 },
      ...{ num_hidden_layers: 4, num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 512 },
      ...{ linear_num_key_heads: 1, linear_num_value_heads: 2, linear_key_head_dim: 16, linear_value_head_dim: 24 },
      ...{ rms_norm_eps: 1e-6, rope_theta: 10_000, tie_word_embeddings: true },
    };
    using model = TrainableModel.create(config, 1, { rows: 64, train: 'all', threads: 2 });
    train(model, 0.1);
    const out = join(folder, 'hybrid');
    await writeModelFolder(model, out, { tokenizer: glossary, lineage, type: 'f32' });
    const report = await checkParity(model, out, { tokenizer: glossary, prompts, threads: 2 });
    expect(Math.max(report.engine, report.gguf!)).toBeLessThan(1e-4);
  });

  it('is refused where a weight, the tokenizer or the shape of the files differ', async () => {
    using model = TrainableModel.open(glossary, { rows: 64, train: 'all', threads: 2 });
    const options = { tokenizer: glossary, prompts, threads: 2, gguf: false };
    const out = join(folder, 'good');
    await writeModelFolder(model, out, { tokenizer: glossary, lineage, type: 'f32' });
    await checkParity(model, out, options);
    train(model, 0.002);
    await expect(checkParity(model, out, options)).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringMatching(/the trainer and the engine, on "A whale is": logits are 0\.\d+ of their spread/),
    });
    const other = join(folder, 'other-tokenizer');
    cpSync(out, other, { recursive: true });
    const file = join(other, 'tokenizer.json');
    const json = JSON.parse(readFileSync(file, 'utf8'));
    json.model.merges = json.model.merges.slice(0, 100);
    writeFileSync(file, JSON.stringify(json));
    await expect(checkParity(model, other, options)).rejects.toThrow(/cut "A whale is" differently from token \d/);
  });
});

describe.each([
  { name: 'LoRA', lora: LORA },
  { name: 'DoRA', lora: { ...LORA, dora: true } },
])('$name', ({ name, lora }) => {
  it.each(['bf16', 'q8_0', 'q4_0'] as const)(
    'is the same in the trainer, the engine and merged: base %s',
    async (type) => {
      const base = type === 'bf16' ? glossary : join(folder, `${type}.gguf`);
      if (type !== 'bf16') await convert(glossary, base, { type, force: true });
      using model = TrainableModel.open(base, { rows: 64, train: { lora }, threads: 2 });
      train(model, 0.02);
      const out = join(folder, `${name}-${type}`);
      await writeAdapter(model, out, { tokenizer: base, base, lineage });
      const report = await checkParity(model, out, { base, prompts, threads: 2 });
      expect(report.engine).toBeLessThan(type === 'bf16' ? 1e-4 : 0.03);
      expect(report.gguf).toBeLessThan(0.05);
      // An adapter that is not this one's, or none.
      const options = { base, prompts, threads: 2, gguf: false };
      using fresh = TrainableModel.open(base, { rows: 64, train: { lora }, threads: 2 });
      await expect(checkParity(fresh, out, options)).rejects.toMatchObject({ code: 'internal' });
      await writeAdapter(fresh, out, { tokenizer: base, base, lineage, force: true });
      expect((await checkParity(fresh, out, options)).engine).toBeLessThan(0.03);
      await expect(checkParity(model, out, options)).rejects.toMatchObject({ code: 'internal' });
    },
  );
});
