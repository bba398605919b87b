/** Merged and unmerged are the same model: for every architecture, into folders and GGUF files, from either. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { merge } from '../src/adapters/merge.js';
import { convert } from '../src/formats/convert.js';
import { openCheckpoint } from '../src/formats/open.js';
import { readSafetensors } from '../src/formats/safetensors.js';
import { startEngine } from '../src/generate/engine-client.js';
import { writeRandomAdapter } from './random-adapter.js';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const bases = at('fixtures/logits');
const adapters = at('fixtures/adapters');
const folder = mkdtempSync(join(tmpdir(), 'kaiwen-'));
afterAll(() => rmSync(folder, { recursive: true }));

const ids = Array.from({ length: 40 }, (_, i) => (i * i * 31 + 3) % 320);

async function logits(path: string, adapter?: string): Promise<Float32Array> {
  const loaded = adapter === undefined ? [] : [{ name: 'a', path: adapter }];
  await using engine = await startEngine(path, { threads: 2, kv: 'f32', adapters: loaded });
  return await engine.logits(ids, { adapter: adapter && 'a' });
}

function expectSame(a: Float32Array, b: Float32Array): void {
  const mean = a.reduce((sum, x) => sum + x, 0) / a.length;
  const spread = Math.sqrt(a.reduce((sum, x) => sum + (x - mean) ** 2, 0) / a.length);
  const most = a.reduce((max, x, i) => Math.max(max, Math.abs(x - b[i])), a.length === b.length ? 0 : Infinity);
  expect(most).toBeLessThan(1e-3 * spread);
}

describe.each([
  { name: 'lora', base: 'qwen3-tied-headdim' },
  { name: 'rslora', base: 'qwen3-tied-headdim' },
  { name: 'dora', base: 'qwen3-tied-headdim' },
  { name: 'dora-bias', base: 'qwen2-tied-gqa' },
])('$name of PyTorch', ({ name, base }) => {
  it.each(['folder', 'file.gguf'])('gives the same logits merged into a %s', async (target) => {
    const out = join(folder, `${name}-${target}`);
    const result = await merge(join(bases, base), join(adapters, name), out, { type: 'f32' });
    expect(result.change).toBeGreaterThan(0.05);
    expect(result.rounding).toBe(0);
    const expected = readSafetensors(join(adapters, name, 'expected.safetensors'));
    await using engine = await startEngine(out, { threads: 2, kv: 'f32' });
    const inputs = Array.from(expected.get('input_ids')!.data as BigInt64Array, Number);
    expectSame(expected.get('logits')!.data as Float32Array, await engine.logits(inputs));
  });
});

describe.each(readdirSync(bases))('%s', (base) => {
  // GGUF keeps rows of Llama's queries and of Qwen3.5's value heads in another order than adapters do.
  const dora = base.startsWith('llama') || base.startsWith('qwen3.5');

  it('is the same merged and unmerged, over a folder and over GGUF', async () => {
    const path = join(bases, base);
    const [adapter, gguf] = [join(folder, base), join(folder, `${base}.gguf`)];
    const targets = { 'qwen3-moe': /self_attn\.\w+$|mlp\.gate$/, 'qwen1-ntk-logn': /c_attn$|c_proj$|w[12]$/ }[base];
    await writeRandomAdapter(path, adapter, { dora, targets });
    await convert(path, gguf, { type: 'f32' });
    const unmerged = await logits(path, adapter);
    expectSame(unmerged, await logits(gguf, adapter));
    for (const [from, to] of dora
      ? [path, gguf].flatMap((one) => [
          [one, 'x'],
          [one, 'x.gguf'],
        ])
      : [[gguf, 'x']]) {
      const out = join(folder, `${base}-${to}`);
      await merge(from, adapter, out, { type: 'f32', force: true });
      expectSame(unmerged, await logits(out));
    }
  });
});

it('single experts are merged, and refused at run time with a way out', async () => {
  const path = join(bases, 'qwen3-moe');
  const adapter = join(folder, 'experts');
  await writeRandomAdapter(path, adapter, { targets: /experts\.[13]\.(gate|down)_proj$/, strength: 1 });
  await expect(logits(path, adapter)).rejects.toMatchObject({ code: 'unsupported', remedy: /kaiwen merge/ });
  const out = join(folder, 'experts-merged');
  await merge(path, adapter, out, { type: 'f32' });
  const before = readSafetensors(join(path, 'model.safetensors'));
  const after = readSafetensors(join(out, 'model.safetensors'));
  const factors = readSafetensors(join(adapter, 'adapter_model.safetensors'));
  for (const [name, { shape, data }] of before) {
    const a = factors.get(`base_model.model.${name.replace('.weight', '.lora_A.weight')}`);
    const b = factors.get(`base_model.model.${name.replace('.weight', '.lora_B.weight')}`);
    const result = after.get(name)!.data as Float32Array;
    if (!a || !b) expect(result, name).toEqual(data);
    else {
      const [row, column] = [2, 5];
      let sum = data[row * shape[1] + column] as number;
      for (let k = 0; k < 4; k++) sum += (b.data[row * 4 + k] as number) * (a.data[k * shape[1] + column] as number);
      expect(result[row * shape[1] + column], name).toBeCloseTo(sum, 5);
    }
  }
});

it('an adapter over a quantised base is merged into its own type, and what that costs is measured', async () => {
  const base = at('../models/glossary');
  const quantised = join(folder, 'glossary.gguf');
  await convert(base, quantised, { type: 'q4_0' });
  const adapter = join(folder, 'glossary-adapter');
  await writeRandomAdapter(base, adapter, { strength: 0.02 });
  const same = await merge(quantised, adapter, join(folder, 'same.gguf'));
  expect(same.type).toBe('q4_0');
  const finer = await merge(quantised, adapter, join(folder, 'finer.gguf'), { type: 'q8_0' });
  const exact = await merge(quantised, adapter, join(folder, 'exact'), { type: 'f32' });
  expect(same.rounding).toBeGreaterThan(5 * finer.rounding);
  expect(finer.rounding).toBeGreaterThan(0);
  expect(exact.rounding).toBe(0);
  expect(exact.change).toBeCloseTo(same.change, 6);
});

describe('kaiwen merge', () => {
  async function kaiwen(...args: string[]) {
    const child = spawn(process.execPath, [at('../dist/cli/main.js'), ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let errors = '';
    child.stderr.on('data', (data) => {
      errors += data;
    });
    const [code] = await once(child, 'close');
    return { code, errors };
  }
  const base = join(bases, 'qwen3-tied-headdim');
  const lora = join(adapters, 'lora');

  it('writes a folder with lineage and card, and says what changed', async () => {
    const out = join(folder, 'cli');
    const { code, errors } = await kaiwen('merge', base, '--adapter', lora, '--out', out, '--type', 'bf16');
    expect(errors).toMatch(/21 matrices changed by [\d.]+ %; rounding to bf16 moves them by 0\.\d+ %/);
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(join(out, 'lineage.json'), 'utf8'))).toMatchObject({
      method: 'merge',
      base: { name: 'qwen3-tied-headdim', hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
      settings: { adapter: 'lora' },
    });
    expect(readFileSync(join(out, 'README.md'), 'utf8')).toMatch(/^---\n[\s\S]*base_model: qwen3-tied-headdim\n/);
    using checkpoint = openCheckpoint(out);
    expect(checkpoint.tensors.get('model.layers.0.mlp.up_proj.weight')!.dtype).toBe('bf16');
    // What it wrote it may replace, and nothing else.
    expect((await kaiwen('merge', base, '--adapter', lora, '--out', out)).code).toBe(1);
    expect((await kaiwen('merge', base, '--adapter', lora, '--out', out, '--force')).code).toBe(0);
    expect((await kaiwen('merge', base, '--adapter', lora, '--out', base, '--force')).errors).toMatch(/is the model/);
  });

  it('leaves nothing behind when it fails', async () => {
    const out = join(folder, 'fails');
    const { code, errors } = await kaiwen('merge', base, '--adapter', join(adapters, 'dora-bias'), '--out', out);
    expect(code).toBe(1);
    expect(errors).toMatch(/does not fit .* It was trained on qwen2-tied-gqa/);
    expect(errors.trim().split('\n')).toHaveLength(1);
    const stopped = merge(base, lora, out, { signal: AbortSignal.abort() });
    await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes('tmp'))).toEqual([]);
  });
});
