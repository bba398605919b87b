/**
 * Executable memory, and calls into it, through koffi (an optional dependency) and the C library's own functions.
 *
 * Memory is never writable and executable at once: it is mapped writable, filled, then made executable for good.
 * Linux on x86-64 only. What is not possible here comes back as a Refusal with a short reason; nothing throws.
 * Each thread opens its own; an address mapped by one thread can be called by all.
 */
import { createRequire } from 'node:module';

export interface Refusal {
  /** Why there is no native code, as the end of a sentence: "koffi is not installed". */
  readonly refused: string;
}

/** Code in memory; `using`, or calling Symbol.dispose, unmaps it. Nothing may run in it then, or call it later. */
export interface Mapping {
  readonly address: number;
  readonly size: number;
  [Symbol.dispose](): void;
}

/**
 * `void f(uint8_t *memory, uint32_t args)`, in rdi and rsi, both as plain numbers; `args` may be a negative int32, and fills
 * rsi with zeros above. A call costs some 25 ns.
 */
export type NativeFunction = (memory: number, args: number) => void;

export interface Foreign {
  /** Copies `code` to a page of its own and makes it executable. */
  mapCode(code: Uint8Array): Mapping | Refusal;
  /** Unmaps what this or another thread has mapped. Nothing may run in it then, or call it later. */
  unmap(address: number, size: number): void;
  /** What calls the machine code at `address` in a mapping of this process. */
  functionAt(address: number): NativeFunction;
  /** Where shared memory lies in the process's address space. It never moves: a shared memory grows in place. */
  addressOf(memory: WebAssembly.Memory | SharedArrayBuffer): number;
}

/** The little of koffi that is used here. */
interface Koffi {
  load(path: null): { func(name: string, result: string, parameters: string[]): (...values: unknown[]) => number };
  proto(result: string, parameters: string[]): unknown;
  decode(address: bigint, type: unknown): NativeFunction;
  address(view: Uint8Array): bigint;
  errno(): number;
}

/** What `openForeign` needs to know of the machine; tests replace it. */
export interface Machine {
  platform: string;
  arch: string;
  require(name: 'koffi'): unknown;
}

const PAGE = 4096;
const BREAKPOINT = 0xcc;
// Linux, x86-64: sys/mman.h
const PROT_READ_WRITE = 1 | 2;
const PROT_READ_EXECUTE = 1 | 4;
const MAP_PRIVATE_ANONYMOUS = 0x2 | 0x20;

/** Prepares this thread for native code. Loads koffi, so call it only where native code is wanted. */
export function openForeign(machine: Machine = thisMachine()): Foreign | Refusal {
  const { platform, arch } = machine;
  if (platform !== 'linux' || arch !== 'x64')
    return { refused: `machine code is made for linux x64, not ${platform} ${arch}` };
  try {
    return new LinuxForeign(machine.require('koffi') as Koffi);
  } catch (error) {
    return { refused: reasonOf(error) };
  }
}

function thisMachine(): Machine {
  return { platform: process.platform, arch: process.arch, require: createRequire(import.meta.url) };
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'MODULE_NOT_FOUND') return 'koffi is not installed';
  if (code === 'ERR_DLOPEN_DISABLED') return 'Node was told not to load addons';
  return `koffi does not load: ${String(message).split('\n')[0]}`;
}

class LinuxForeign implements Foreign {
  readonly #koffi: Koffi;
  readonly #tile: unknown;
  readonly #mmap: (address: number, size: number, prot: number, flags: number, fd: number, offset: number) => number;
  readonly #mprotect: (address: number, size: number, prot: number) => number;
  readonly #munmap: (address: number, size: number) => number;
  readonly #memcpy: (address: number, bytes: Uint8Array, size: number) => number;

  constructor(koffi: Koffi) {
    this.#koffi = koffi;
    // Of all types for addresses, intptr_t converts fastest; addresses of user space fit a number exactly.
    this.#tile = koffi.proto('void', ['intptr_t', 'uint32_t']);
    const libc = koffi.load(null);
    this.#mmap = libc.func('mmap', 'intptr_t', ['intptr_t', 'size_t', 'int', 'int', 'int', 'intptr_t']);
    this.#mprotect = libc.func('mprotect', 'int', ['intptr_t', 'size_t', 'int']);
    this.#munmap = libc.func('munmap', 'int', ['intptr_t', 'size_t']);
    this.#memcpy = libc.func('memcpy', 'intptr_t', ['intptr_t', 'const void *', 'size_t']);
  }

  mapCode(code: Uint8Array): Mapping | Refusal {
    const size = Math.max(1, Math.ceil(code.length / PAGE)) * PAGE;
    const filled = new Uint8Array(size).fill(BREAKPOINT);
    filled.set(code);
    const address = this.#mmap(0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
    if (address === -1) return { refused: `the system refused memory for code (errno ${this.#koffi.errno()})` };
    this.#memcpy(address, filled, size);
    if (this.#mprotect(address, size, PROT_READ_EXECUTE) !== 0) {
      const errno = this.#koffi.errno();
      this.#munmap(address, size);
      return { refused: `the system refused to make memory executable (errno ${errno})` };
    }
    let mapped = true;
    const unmap = () => {
      if (mapped) this.#munmap(address, size);
      mapped = false;
    };
    return { address, size, [Symbol.dispose]: unmap };
  }

  unmap(address: number, size: number): void {
    this.#munmap(address, size);
  }

  functionAt(address: number): NativeFunction {
    return this.#koffi.decode(BigInt(address), this.#tile);
  }

  addressOf(memory: WebAssembly.Memory | SharedArrayBuffer): number {
    const buffer = memory instanceof WebAssembly.Memory ? memory.buffer : memory;
    return Number(this.#koffi.address(new Uint8Array(buffer)));
  }
}
