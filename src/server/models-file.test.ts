import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeError } from '../errors.js';
import { isModelsFile, parseBytes, readModelsFile } from './models-file.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-models-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(text: string) {
  const file = join(folder, 'models.yaml');
  writeFileSync(file, text);
  return readModelsFile(file);
}

describe('a file of models', () => {
  it('takes paths from where it stands, and puts the default first', () => {
    const { models, memory } = read(`memory: 2 GiB
models:
  - { name: small, path: ./small, idle_minutes: 0.5 }
  - name: large
    path: /models/large.gguf
    aliases: [gpt-4]
    adapters: [{ name: shop, path: adapters/shop }]
    context: 4096
    kv: int8
    preload: true
    default: true
`);
    expect(memory).toBe(2 ** 31);
    expect(models).toEqual([
      {
        name: 'large',
        path: '/models/large.gguf',
        aliases: ['gpt-4'],
        options: {
          context: 4096,
          kv: 'int8',
          sequences: 'fitting',
          adapters: [{ name: 'shop', path: join(folder, 'adapters/shop') }],
        },
        preload: true,
      },
      {
        name: 'small',
        path: join(folder, 'small'),
        aliases: [],
        options: { adapters: [], sequences: 'fitting' },
        idleMs: 30_000,
        preload: false,
      },
    ]);
    expect(isModelsFile(join(folder, 'models.yaml'))).toBe(true);
    expect(isModelsFile(folder)).toBe(false);
  });

  it.each([
    ['models: []', 'models.yaml:1: models: must be a list of at least 1.'],
    ['models:\n  - { name: a, pth: b }', 'models.yaml:2: models.0.path: is missing (and 1 more)'],
    ['models:\n  - { name: a, path: b, contxt: 1 }', 'models.0.contxt: no such key; did you mean context?'],
    ['memory: lots\nmodels: [{ name: a, path: b }]', 'models.yaml:1: memory: must be a size such as 8GB'],
    [
      'models:\n  - { name: a, path: b }\n  - { name: c, path: d, aliases: [a] }',
      '3: models.1.aliases.0: "a" is a name of a.',
    ],
    ['models: [{ name: a b, path: c }]', 'models.0.name: must have 1 to 128 letters'],
  ])('refuses %j', (text, message) => {
    let said = '';
    try {
      read(text);
    } catch (error) {
      said = describeError(error);
    }
    expect(said).toContain(message);
  });
});

it.each([
  ['8GB', 8e9],
  ['1.5 MiB', 1.5 * 2 ** 20],
  ['100', 100],
  ['-1', undefined],
  ['8 apples', undefined],
])('reads the size %j', (text, bytes) => {
  expect(parseBytes(text)).toBe(bytes);
});
