import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { makeFolder } from './file.js';

const folder = mkdtempSync(join(tmpdir(), 'kaiwen-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('makes a folder and those above it, once', () => {
  const path = join(folder, 'a', 'b', 'c');
  makeFolder(path);
  makeFolder(path);
  expect(existsSync(path)).toBe(true);
});

it('says so where the system refuses', () => {
  writeFileSync(join(folder, 'file'), '');
  expect(() => makeFolder(join(folder, 'file'))).toThrow(/file: the folder cannot be made: .*EEXIST/);
  expect(() => makeFolder(join(folder, 'file', 'below'))).toThrow(/below: the folder cannot be made/);
});

it.skipIf(!existsSync('/proc/self'))('ends below a folder that says it is not there', () => {
  expect(() => makeFolder('/proc/kaiwen/run')).toThrow(/\/proc\/kaiwen: the folder cannot be made/);
});
