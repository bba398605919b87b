import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { runSteps, type Step } from './steps.js';

let work: string;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'kaiwen-steps-'));
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(work, { recursive: true, force: true });
});

it('does a step again only if what it is made from changed or its output is gone', async () => {
  const done: string[] = [];
  const at = (name: string) => join(work, name);
  const copy = (name: string, from: string, to: string): Step => ({
    name,
    inputs: [at(from)],
    outputs: [at(to)],
    run: async () => {
      done.push(name);
      if (readFileSync(at(from), 'utf8') === 'bad') throw new Error('cannot');
      writeFileSync(at(to), readFileSync(at(from)));
    },
  });
  const steps = [copy('one', 'a', 'b'), copy('two', 'b', 'c')];
  const run = async (until?: string) => {
    done.length = 0;
    await runSteps(steps, { work, until });
    return [...done];
  };
  writeFileSync(at('a'), 'x');
  expect(await run('one')).toEqual(['one']);
  expect(existsSync(at('c'))).toBe(false);
  expect(await run()).toEqual(['two']);
  expect(await run()).toEqual([]);
  writeFileSync(at('a'), 'y');
  expect(await run()).toEqual(['one', 'two']);
  rmSync(at('c'));
  expect(await run()).toEqual(['two']);
  writeFileSync(at('a'), 'bad');
  await expect(run()).rejects.toThrow('cannot');
  writeFileSync(at('a'), 'y');
  expect(await run()).toEqual([]);
  await expect(run('three')).rejects.toThrow('no step "three"');
  expect(readFileSync(at('log.txt'), 'utf8')).toMatch(/one: begins\n.*one: took/);
});
