import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Assembler, mem, rax, rdi, rsi } from './assembler.js';
import { type Foreign, type Machine, type Mapping, openForeign } from './mapping.js';

const here = process.platform === 'linux' && process.arch === 'x64';

/** Adds `args` to the 64-bit number at `memory`. */
function adder(): Uint8Array {
  const a = new Assembler();
  a.load64(rax, mem(rdi));
  a.add(rax, rsi);
  a.store64(mem(rdi), rax);
  a.ret();
  return a.finish();
}

describe.runIf(here)('on Linux x64', () => {
  let foreign: Foreign;
  let mapping: Mapping;
  beforeAll(() => {
    foreign = openForeign() as Foreign;
    mapping = foreign.mapCode(adder()) as Mapping;
  });
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true });
  const total = new BigInt64Array(memory.buffer, 64, 1);
  afterAll(() => mapping[Symbol.dispose]());

  test('generated code reads and writes shared memory', () => {
    const add = foreign.functionAt(mapping.address);
    total[0] = 1n;
    add(foreign.addressOf(memory) + 64, 5);
    add(foreign.addressOf(memory) + 64, 0xffff_ffff);
    expect(total[0]).toBe(5n + (1n << 32n));
  });

  test('a 32-bit argument arrives with its upper half zero, also one that WebAssembly passes as negative', () => {
    const add = foreign.functionAt(mapping.address);
    total[0] = 0n;
    add(foreign.addressOf(memory) + 64, -1);
    expect(total[0]).toBe(2n ** 32n - 1n);
  });

  test('memory stays where it is when it grows', () => {
    const growing = new WebAssembly.Memory({ initial: 1, maximum: 64, shared: true });
    const address = foreign.addressOf(growing);
    growing.grow(63);
    expect(foreign.addressOf(growing)).toBe(address);
  });

  test('code is executable and not writable, and gone when disposed of', () => {
    const permissions = (address: number) =>
      readFileSync('/proc/self/maps', 'utf8')
        .split('\n')
        .map((line) => /^(\w+)-(\w+) (\S+)/.exec(line))
        .find(
          (match) => match && Number.parseInt(match[1], 16) <= address && address < Number.parseInt(match[2], 16),
        )?.[3];
    const other = foreign.mapCode(adder()) as Mapping;
    expect(permissions(other.address)).toBe('r-xp');
    other[Symbol.dispose]();
    other[Symbol.dispose]();
    expect(permissions(other.address)).not.toBe('r-xp');
    expect(permissions(mapping.address)).toBe('r-xp');
  });

  test('a worker calls what the main thread has mapped', async () => {
    total[0] = 40n;
    const module = new URL('../../../dist/tensor/native/mapping.js', import.meta.url).href;
    const source = `
      const { workerData, parentPort } = require('node:worker_threads');
      import(workerData.module).then(({ openForeign }) => {
        const foreign = openForeign();
        foreign.functionAt(workerData.address)(foreign.addressOf(workerData.memory) + 64, 2);
        parentPort.postMessage('done');
      });`;
    const worker = new Worker(source, { eval: true, workerData: { module, address: mapping.address, memory } });
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await worker.terminate();
    expect(total[0]).toBe(42n);
  });
});

/** Linux refuses a process that asked for it (PR_SET_MDWE, from 6.3) what was writable; SELinux and systemd can do the same. */
test.runIf(here)('a process that may not make memory executable learns so', () => {
  const source = `
    const koffi = require('koffi');
    const prctl = koffi.load(null).func('int prctl(int, ulong, ulong, ulong, ulong)');
    const asked = prctl(65, 1, 0, 0, 0) === 0;
    import(process.argv[1]).then(({ openForeign }) => {
      const { refused } = openForeign().mapCode(Uint8Array.of(0xc3));
      console.log(asked ? refused : 'the kernel is older');
    });`;
  const module = new URL('../../../dist/tensor/native/mapping.js', import.meta.url).href;
  const cwd = new URL('../../..', import.meta.url);
  const answer = execFileSync(process.execPath, ['-e', source, module], { cwd, encoding: 'utf8' }).trim();
  expect(['the system refused to make memory executable (errno 13)', 'the kernel is older']).toContain(answer);
});

describe('refusals', () => {
  /** A machine whose system calls answer as told, and that notes them. */
  function machine(answers: Record<string, number>, calls: string[] = []): Machine {
    const func = (name: string) => () => {
      calls.push(name);
      return answers[name] ?? 0;
    };
    const koffi = { load: () => ({ func }), proto: () => ({}), errno: () => 13 };
    return { platform: 'linux', arch: 'x64', require: () => koffi };
  }
  const failing = (code: string): Machine => ({
    ...machine({}),
    require: () => {
      throw Object.assign(new Error(`line one\nline two`), { code });
    },
  });

  test.each([
    ['win32', 'x64'],
    ['darwin', 'arm64'],
    ['darwin', 'x64'],
    ['linux', 'arm64'],
    ['freebsd', 'x64'],
  ])('%s %s', (platform, arch) => {
    expect(openForeign({ ...machine({}), platform, arch })).toEqual({
      refused: `machine code is made for linux x64, not ${platform} ${arch}`,
    });
  });

  test('koffi is missing, forbidden or broken', () => {
    expect(openForeign(failing('MODULE_NOT_FOUND'))).toEqual({ refused: 'koffi is not installed' });
    expect(openForeign(failing('ERR_DLOPEN_DISABLED'))).toEqual({ refused: 'Node was told not to load addons' });
    expect(openForeign(failing('ERR_DLOPEN_FAILED'))).toEqual({ refused: 'koffi does not load: line one' });
  });

  test('the system refuses memory, or to make it executable', () => {
    const noMemory = openForeign(machine({ mmap: -1 })) as Foreign;
    expect(noMemory.mapCode(adder())).toEqual({ refused: 'the system refused memory for code (errno 13)' });
    const calls: string[] = [];
    const noExecution = openForeign(machine({ mmap: 4096, mprotect: -1 }, calls)) as Foreign;
    expect(noExecution.mapCode(adder())).toEqual({
      refused: 'the system refused to make memory executable (errno 13)',
    });
    expect(calls).toEqual(['mmap', 'memcpy', 'mprotect', 'munmap']);
  });
});
