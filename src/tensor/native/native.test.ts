import { readFileSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { startEngine } from '../../generate/engine-client.js';
import { availableIsas } from './available.js';
import { acquireNative, type NativeCode, releaseNative } from './native.js';
import { selfTest } from './self-test.js';

const available = availableIsas();

afterEach(() => vi.unstubAllEnvs());

/** Whether the system lists the code's memory as executable and not writable. */
function executable({ address, size }: NativeCode): boolean {
  const lines = readFileSync('/proc/self/maps', 'utf8').matchAll(/^(\w+)-(\w+) r-xp/gm);
  return [...lines].some(
    ([, from, to]) => Number.parseInt(from, 16) <= address && address + size <= Number.parseInt(to, 16),
  );
}

test.runIf(available.length > 0)('users share one mapping, which goes with the last of them', () => {
  const isa = available.at(-1)!;
  const first = acquireNative(isa) as NativeCode;
  const second = acquireNative(isa) as NativeCode;
  expect(first.isa).toBe(isa);
  expect(second).toEqual(first);
  releaseNative(first);
  expect(executable(second)).toBe(true);
  releaseNative(second);
  expect(executable(second)).toBe(false);
});

test('kernels that compute something else, or nothing, fail the self-test', () => {
  expect(selfTest(() => ({ mask: 0xff, call: () => {} }))).toMatch(/^q8_0 is off by/);
});

test('what was switched off, or is no choice, says so', () => {
  vi.stubEnv('KAIWEN_NATIVE', 'off');
  expect(acquireNative()).toEqual({ refused: 'native code is switched off' });
  vi.stubEnv('KAIWEN_NATIVE', 'avx3');
  expect(() => acquireNative()).toThrow(/KAIWEN_NATIVE is "avx3"/);
});

test('a model runs without machine code, and says why', async () => {
  const path = new URL('../../../models/glossary', import.meta.url).pathname;
  await using engine = await startEngine(path, { threads: 2, native: 'off' });
  expect(engine.info.native).toBe(null);
  expect(engine.info.notices).toEqual(['WebAssembly computes everything: native code is switched off.']);
});
