/**
 * An arena: one shared WebAssembly memory of at most 4 GiB that holds whole layers, with their cache and scratch.
 * Its size is planned beforehand and never grows; untouched pages cost nothing. Memory is handed out from the
 * bottom: permanent allocations first, then per-step scratch that is taken back as a whole.
 */
import { KaiwenError } from '../errors.js';
import { OP_BYTES, SCRATCH_BYTES } from './opcodes.js';
import { Program } from './program.js';

const PAGE = 65_536;
const ALIGN = 64;
const PROGRAM_OPS = 4096;

/** Most bytes an arena can have: the 32-bit address space less one page, so that the end has an address. */
export const MAX_ARENA_BYTES = 65_535 * PAGE;

/** Bytes an arena needs before anything is put in it: the control block, member scratch and the program. */
export function arenaOverhead(threads: number): number {
  return PAGE + threads * SCRATCH_BYTES + PROGRAM_OPS * OP_BYTES;
}

export function align(bytes: number): number {
  return Math.ceil(bytes / ALIGN) * ALIGN;
}

/** Where member `index` has its private scratch. */
export function memberScratch(index: number): number {
  return PAGE + index * SCRATCH_BYTES;
}

export class Arena {
  readonly memory: WebAssembly.Memory;
  readonly program: Program;
  protected top: number;
  private readonly end: number;

  /** An arena with room for `bytes` of allocations. Throws KaiwenError 'out_of_memory' if the system refuses. */
  constructor(
    readonly index: number,
    bytes: number,
    threads: number,
  ) {
    const pages = Math.ceil((arenaOverhead(threads) + bytes) / PAGE);
    try {
      this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    } catch (cause) {
      throw new KaiwenError('out_of_memory', `The system refused ${Math.ceil((pages * PAGE) / 1e6)} MB of memory.`, {
        remedy: 'Close other programs, choose a smaller --context or a smaller quantisation.',
        cause,
      });
    }
    const start = memberScratch(threads);
    this.program = new Program(this.memory, start, PROGRAM_OPS);
    this.top = start + PROGRAM_OPS * OP_BYTES;
    this.end = pages * PAGE;
  }

  /** Address of `bytes` fresh bytes, aligned to a cache line. */
  alloc(bytes: number): number {
    const pointer = this.top;
    this.top = pointer + align(bytes);
    if (this.top > this.end) {
      throw new KaiwenError('internal', `Arena ${this.index} of ${this.end} bytes is too small: the plan was wrong.`);
    }
    return pointer;
  }

  /** Where scratch begins: pass to `release` to take back everything allocated since. */
  get mark(): number {
    return this.top;
  }

  release(mark: number): void {
    this.top = mark;
  }

  /** Copies values into the arena. */
  write(pointer: number, data: Float32Array | Int32Array): void {
    this.bytes(pointer, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  /** Copies values into fresh memory; returns its address. */
  put(data: Float32Array | Int32Array): number {
    const pointer = this.alloc(data.byteLength);
    this.write(pointer, data);
    return pointer;
  }

  bytes(pointer: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, pointer, length);
  }

  floats(pointer: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, pointer, length);
  }

  ints(pointer: number, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, pointer, length);
  }
}

/** An arena that holds nothing: whatever is allocated from it is only counted. For planning. */
export class CountingArena extends Arena {
  private readonly bottom = this.top;
  private most = this.top;

  constructor() {
    super(0, 0, 1);
  }

  /** Most bytes that were allocated at once. */
  get peak(): number {
    return this.most - this.bottom;
  }

  override alloc(bytes: number): number {
    const pointer = this.top;
    this.top += align(bytes);
    this.most = Math.max(this.most, this.top);
    return pointer;
  }

  override write(): void {}

  override floats(): Float32Array {
    return new Float32Array(0);
  }
}
