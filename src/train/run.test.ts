import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TrainConfig } from './config.js';
import { train } from './run.js';
import type { TrainRecord } from './trainer.js';

const GLOSSARY = fileURLToPath(new URL('../../models/glossary', import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-methods-'));
  const lines = (make: (i: number) => object) =>
    Array.from({ length: 60 }, (_, i) => `${JSON.stringify(make(i))}\n`).join('');
  const ask = (i: number) => `Does shop ${i % 7} sell ${['bread', 'milk', 'tea'][i % 3]} number ${i}?`;
  writeFileSync(
    join(folder, 'chat.jsonl'),
    lines((i) => ({ prompt: ask(i), completion: `Yes, for ${2 + (i % 3)} euros.` })),
  );
  writeFileSync(
    join(folder, 'pairs.jsonl'),
    lines((i) => ({ prompt: ask(i), chosen: 'Yes, it does.', rejected: 'Look it up.' })),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function learn(name: string, settings: object) {
  const records: TrainRecord[] = [];
  const config = TrainConfig.parse({
    ...{ model: GLOSSARY, data: join(folder, 'chat.jsonl'), out: join(folder, name), steps: 6, batch_tokens: 512 },
    ...{ validation: { share: 0.1, every: 3 }, ...settings },
  });
  const { files, prediction } = await train(config, { events: { record: (record) => records.push(record) } });
  const losses = records.flatMap((record) => (record.kind === 'validation' ? [record.loss] : []));
  const lineage = JSON.parse(readFileSync(join(files!.folder, 'lineage.json'), 'utf8')) as Record<string, unknown>;
  return { files: files!, prediction, losses, records, lineage };
}

describe('train', () => {
  it.each([
    ['continue', 'README.md', { method: 'continue', optimizer: 'muon' }, 'model'],
    ['full', 'chat', { method: 'sft', tuning: 'full', neftune: 5 }, 'model'],
    ['lora', 'chat', { method: 'sft', tuning: 'lora', lora: { dropout: 0.1, dora: true } }, 'adapter'],
    [
      'qlora',
      'chat',
      { method: 'sft', tuning: 'qlora', base: 'q4_0', lora: { rank: 4, targets: ['q_proj'] } },
      'adapter',
    ],
    ['dpo', 'pairs', { method: 'dpo', tuning: 'lora' }, 'adapter'],
    ['distill', 'chat', { method: 'distill', distill: { teacher: GLOSSARY, share: 0.3, temperature: 2 } }, 'model'],
  ])(
    '%s lowers the loss on held-out data and ends with a model that was checked',
    async (name, from, settings, kind) => {
      const text = fileURLToPath(new URL('../../README.md', import.meta.url));
      const data = name === 'continue' ? text : join(folder, `${from}.jsonl`);
      // A text of one document leaves none to validate on but itself.
      const validation = name === 'continue' ? { data, every: 3 } : { share: 0.1, every: 3 };
      const named = { ...settings, data, validation };
      const { files, losses, lineage, prediction } = await learn(name, named);
      expect(losses).toHaveLength(2);
      expect(losses[1]).toBeLessThan(losses[0]);
      expect(files.folder).toBe(join(folder, name, kind));
      expect(existsSync(join(files.folder, 'README.md'))).toBe(true);
      expect(files.parity.continuations).toHaveLength(5);
      expect(lineage).toMatchObject({ base: { name: 'glossary' }, results: { step: 6 } });
      expect(prediction.trained < prediction.parameters).toBe(kind === 'adapter');
    },
  );

  it('exports the best step, not the last, where it was to stop early', async () => {
    // The first steps help; a rate this large undoes them.
    const { files, records } = await learn('early', {
      ...{ method: 'sft', steps: 60, learning_rate: 0.02, schedule: 'constant', warmup: 20 },
      validation: { share: 0.1, every: 3, patience: 2 },
    });
    const losses = records.flatMap((record) => (record.kind === 'validation' ? [record] : []));
    const best = losses.reduce((a, b) => (b.loss < a.loss ? b : a));
    expect(files.step).toBe(best.step);
    expect(losses.at(-1)!.step).toBe(best.step + 6);
  });

  it('is done when it is asked again', async () => {
    const config = { method: 'sft' };
    const first = await learn('again', config);
    const again = await learn('again', config);
    expect(again.records).toEqual([]);
    expect(again.files).toEqual(first.files);
  });

  it.each([
    [{ method: 'dpo' }, 'no preference pairs'],
    [{ method: 'sft', data: 'PAIRS' }, 'it holds preference pairs'],
    [{ method: 'sft', tuning: 'lora', lora: { targets: ['q_prog'] } }, 'No layer of this model is called "q_prog"'],
    [{ method: 'sft', context: 4096 }, 'sees 512 tokens'],
  ])('refuses %j', async (settings, message) => {
    const data = 'data' in settings ? { data: join(folder, 'pairs.jsonl') } : {};
    await expect(learn('refused', { ...settings, ...data })).rejects.toThrow(message);
  });
});
