import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeError } from '../errors.js';
import { nearest } from '../formats/nearest.js';
import { TrainConfig } from './config.js';
import { type FlagSetting, readConfig } from './config-file.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-config-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PLAIN = `method: pretrain
out: run
data: corpus
tokenizer: tok
depth: 4
`;

function read(text: string, flags: FlagSetting[] = []) {
  const file = join(folder, 'run.yaml');
  writeFileSync(file, text);
  return readConfig(file, flags);
}

function complaint(text: string, flags?: FlagSetting[]): string {
  try {
    read(text, flags);
  } catch (error) {
    return describeError(error).replaceAll(`${folder}/`, '');
  }
  throw new Error('It was accepted.');
}

describe('readConfig', () => {
  it('fills in what depends on nothing else', () => {
    const config = read(PLAIN);
    expect(config).toMatchObject({ method: 'pretrain', depth: 4, seed: 1, optimizer: 'adamw', clip: 1 });
    expect(config.checkpoint).toEqual({ minutes: 5, keep: 2 });
  });

  it.each([
    [`${PLAIN}learing_rate: 1\n`, 'run.yaml:6: learing_rate: no such key; did you mean learning_rate?'],
    [`${PLAIN}checkpoint:\n  minutes: 1\n  kepe: 3\n`, 'run.yaml:8: checkpoint.kepe: no such key; did you mean keep?'],
    [`${PLAIN}qqqq: 1\n`, 'run.yaml:6: qqqq: no such key.'],
    [`${PLAIN}steps: many\n`, 'run.yaml:6: steps: must be a number.'],
    [`${PLAIN}steps: 0\n`, 'run.yaml:6: steps: must be at least 1.'],
    [`${PLAIN}steps: 1.5\n`, 'run.yaml:6: steps: must be a whole number.'],
    [`${PLAIN}betas: [0.9]\n`, 'run.yaml:6: betas: must be a list of at least 2.'],
    [`${PLAIN}clip: -1\n`, 'run.yaml:6: clip: must be at least 0.'],
    [`${PLAIN}epsilon: 0\n`, 'run.yaml:6: epsilon: must be more than 0.'],
    [`${PLAIN}context: 1000000000\n`, 'run.yaml:6: context: must be at most 1048576.'],
    [`${PLAIN}schedule: cosin\n`, 'run.yaml:6: schedule: must be cosine, linear, wsd or constant.'],
    [PLAIN.replace('out: run\n', ''), 'run.yaml: out: is missing'],
    [`${PLAIN}lora:\n  rank: 4\n`, 'run.yaml:6: lora: belongs to continue, sft, dpo, distill'],
    [PLAIN.replace('depth: 4\n', ''), 'run.yaml:1: method: pretrain needs depth'],
    [PLAIN.replace('pretrain', 'sft'), 'run.yaml:5: depth: belongs to pretrain'],
    [`${PLAIN}steps: 3\nepochs: 1\n`, 'run.yaml:7: epochs: steps and epochs exclude one another'],
    [`${PLAIN}data: again\n`, 'run.yaml:6: Map keys must be unique'],
    [`${PLAIN}  bad\n indent: [`, 'run.yaml:'],
    ['- a\n', 'run.yaml:1: not a list of'],
  ])('%# names the line and the fault', (text, expected) => {
    expect(complaint(text)).toContain(expected);
  });

  it('counts what else is wrong', () => {
    expect(complaint(`${PLAIN}steps: 0\nclip: -1\n`)).toContain('(and 1 more)');
  });

  it('lets flags win, and names them', () => {
    const flags = [
      { flag: '--depth', path: ['depth'], value: 6 },
      { flag: '--set', path: ['checkpoint', 'keep'], value: 5 },
    ];
    expect(read(`${PLAIN}checkpoint: { minutes: 2 }\n`, flags)).toMatchObject({
      depth: 6,
      checkpoint: { minutes: 2, keep: 5 },
    });
    expect(complaint(PLAIN, [{ flag: '--depth', path: ['depth'], value: 0 }])).toMatch(/^--depth: /);
    expect(complaint(PLAIN, [{ flag: '--set', path: ['chekpoint', 'keep'], value: 1 }])).toMatch(
      /^chekpoint: no such key; did you mean checkpoint\?/,
    );
  });

  it("takes the length that a flag gives for the file's", () => {
    const steps = { flag: '--steps', path: ['steps'], value: 7 };
    const epochs = { flag: '--epochs', path: ['epochs'], value: 2 };
    const config = read(`${PLAIN}epochs: 1\n`, [steps]);
    expect([config.steps, config.epochs]).toEqual([7, undefined]);
    expect(complaint(PLAIN, [steps, epochs])).toContain('steps and epochs exclude one another');
  });

  it('says so where there is no file', () => {
    expect(() => readConfig(join(folder, 'none.yaml'))).toThrow('no such file');
  });
});

describe('the page about training', () => {
  it('names every setting', () => {
    const page = readFileSync(new URL('../../docs/training.md', import.meta.url), 'utf8');
    for (const key of Object.keys(TrainConfig.shape)) expect(page).toContain(`\`${key}\``);
  });
});

describe('nearest', () => {
  it.each([
    ['steps', 'step'],
    ['warm_up', 'warmup'],
    ['optimiser', 'optimizer'],
    ['acumulate', 'accumulate'],
    ['dpeth', 'depth'],
  ])('%s → %s', (typed, meant) => {
    expect(nearest(typed, ['depth', 'step', 'warmup', 'optimizer', 'accumulate'])).toBe(meant);
  });

  it('does not guess wildly', () => {
    expect(nearest('xyz', ['depth', 'step'])).toBeUndefined();
  });
});
