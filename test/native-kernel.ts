/** One generated kernel over a memory of its own: what the tests of native kernels call. */
import { Assembler } from '../src/tensor/native/assembler.js';
import { ISAS, type Isa, type IsaName } from '../src/tensor/native/isa.js';
import { type Mapping, type NativeFunction, openForeign } from '../src/tensor/native/mapping.js';

const ARGS = 64;

export class NativeKernel implements Disposable {
  readonly floats: Float32Array;
  readonly halves: Uint16Array;
  private readonly words: Uint32Array;
  private readonly mapping: Mapping;
  private readonly kernel: NativeFunction;
  private readonly base: number;
  private top = 4096;

  constructor(emit: (a: Assembler, isa: Isa) => void, isa: IsaName, bytes = 4 << 20) {
    const pages = bytes / 65_536;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const { buffer } = memory;
    this.floats = new Float32Array(buffer);
    this.halves = new Uint16Array(buffer);
    this.words = new Uint32Array(buffer);
    const foreign = openForeign();
    if ('refused' in foreign) throw new Error(foreign.refused);
    const a = new Assembler();
    emit(a, ISAS[isa]);
    const mapping = foreign.mapCode(a.finish());
    if ('refused' in mapping) throw new Error(mapping.refused);
    this.mapping = mapping;
    this.kernel = foreign.functionAt(mapping.address);
    this.base = foreign.addressOf(memory);
  }

  /** Forgets what was put; memory keeps its bytes. */
  clear(): void {
    this.top = 4096;
  }

  alloc(bytes: number, offset = 0): number {
    const pointer = this.top + offset;
    this.top = Math.ceil((pointer + bytes) / 64) * 64;
    return pointer;
  }

  /** Copies values to memory, `offset` bytes behind an aligned place. */
  put(values: Float32Array | Uint16Array, offset = 0): number {
    const pointer = this.alloc(values.byteLength, offset);
    if (values instanceof Float32Array) this.floats.set(values, pointer / 4);
    else this.halves.set(values, pointer / 2);
    return pointer;
  }

  read(pointer: number, count: number): Float32Array {
    return this.floats.slice(pointer / 4, pointer / 4 + count);
  }

  call(...args: number[]): void {
    this.words.set(args, ARGS / 4);
    this.kernel(this.base, ARGS);
  }

  [Symbol.dispose](): void {
    this.mapping[Symbol.dispose]();
  }
}
