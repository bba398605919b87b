/**
 * One thread, one memory, no team: what kernel tests and kernel benchmarks run operations on.
 * Put inputs with `put`, record operations on `program`, then `run` executes every piece in order.
 */
import { chooseSimd, compileKernels, instantiate, type Kernels, type Simd } from '../src/tensor/kernels.js';
import type { IsaName } from '../src/tensor/native/isa.js';
import { acquireNative, bindNative, type NativeCode } from '../src/tensor/native/native.js';
import { OP_BYTES, SCRATCH_BYTES } from '../src/tensor/opcodes.js';
import { Program } from '../src/tensor/program.js';

const PAGE = 65_536;
const mapped = new Map<IsaName, NativeCode>();

/** Mapped once and kept until the process ends. */
function nativeFor(isa: IsaName): NativeCode {
  const code = mapped.get(isa) ?? acquireNative(isa);
  if ('refused' in code) throw new Error(code.refused);
  mapped.set(isa, code);
  return code;
}

export class KernelBench {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  readonly program: Program;
  readonly scratch = PAGE;
  private top: number;

  /** With `isa`, native kernels of that instruction set compute where there are any; throws if they cannot be had. */
  constructor(simd: Simd, bytes = 64 << 20, isa?: IsaName) {
    const pages = Math.ceil(bytes / PAGE);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.kernels = instantiate(
      compileKernels(chooseSimd(simd)),
      this.memory,
      isa && bindNative(nativeFor(isa), this.memory),
    );
    this.program = new Program(this.memory, PAGE + SCRATCH_BYTES, 1024);
    this.top = PAGE + SCRATCH_BYTES + 1024 * OP_BYTES;
  }

  alloc(bytes: number): number {
    const pointer = this.top;
    this.top = Math.ceil((this.top + bytes) / 64) * 64;
    return pointer;
  }

  put(data: Float32Array | Int32Array | Uint8Array | Uint16Array | Int8Array): number {
    const pointer = this.alloc(data.byteLength);
    new Uint8Array(this.memory.buffer, pointer, data.byteLength).set(
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    );
    return pointer;
  }

  floats(pointer: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, pointer, length).slice();
  }

  run(): void {
    const ints = new Int32Array(this.memory.buffer);
    for (let i = 0; i < this.program.count; i++) {
      const op = this.program.pointer + i * OP_BYTES;
      const pieces = ints[op / 4 + 1];
      for (let piece = 0; piece < pieces; piece++) this.kernels.execute(op, piece, this.scratch);
    }
    this.program.clear();
  }
}
