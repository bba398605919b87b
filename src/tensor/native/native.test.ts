import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { startEngine } from '../../generate/engine-client.js';
import { availableIsas } from './available.js';
import type { Machine } from './mapping.js';
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

/**
 * A Linux machine whose system calls answer as told and are noted. Its processor has every feature: the first code that runs
 * asks for them. All other code does nothing.
 */
function machine(answers: Record<string, number> = {}, calls: string[] = []): Machine {
  const views: Uint8Array[] = [];
  const code = (address: number) => {
    if (views.length === 1) new Uint32Array(views[address - 1].buffer).fill(0xffff_ffff);
  };
  const koffi = {
    load: () => ({
      func: (name: string) => () => {
        calls.push(name);
        return answers[name] ?? 0;
      },
    }),
    proto: () => ({}),
    decode: () => code,
    // Addresses of views are their numbers, from 1.
    address: (view: Uint8Array) => BigInt(views.push(view)),
    errno: () => 13,
  };
  return { platform: 'linux', arch: 'x64', require: () => koffi };
}

describe('falls back to WebAssembly, with a reason,', () => {
  test.each([
    ['win32', 'x64'],
    ['darwin', 'arm64'],
    ['linux', 'arm64'],
  ])('on %s %s', (platform, arch) => {
    const refused = `machine code is made for linux x64, not ${platform} ${arch}`;
    expect(acquireNative('best', { ...machine(), platform, arch })).toEqual({ refused });
  });

  test('without koffi', () => {
    const require = () => {
      throw Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' });
    };
    expect(acquireNative('best', { ...machine(), require })).toEqual({ refused: 'koffi is not installed' });
  });

  test('where the system refuses memory, or to make it executable', () => {
    const refused = (answers: Record<string, number>) => acquireNative('best', machine(answers));
    expect(refused({ mmap: -1 })).toEqual({ refused: 'the system refused memory for code (errno 13)' });
    expect(refused({ mprotect: -1 })).toEqual({
      refused: 'the system refused to make memory executable (errno 13)',
    });
  });

  test('where kernels compute something else, and unmaps them', () => {
    const calls: string[] = [];
    expect(acquireNative('best', machine({}, calls))).toEqual({
      refused: expect.stringMatching(/^avx512-vnni kernels differ from WebAssembly: q8_0 is off by /),
    });
    expect(calls.filter((name) => name === 'munmap').length).toBe(calls.filter((name) => name === 'mmap').length);
  });
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
