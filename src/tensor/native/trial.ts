/** One operation after another on a small memory, by WebAssembly alone or with native kernels, on the same random inputs. */
import { chooseSimd, compileKernels, instantiate, type Kernels, type NativeCalls, type Simd } from '../kernels.js';
import { OP_BYTES, SCRATCH_BYTES } from '../opcodes.js';
import { Program } from '../program.js';

const PAGE = 65_536;
const SCRATCH = PAGE;
const PROGRAM = SCRATCH + SCRATCH_BYTES;
const OPERATIONS = 16;
const DATA = PROGRAM + OPERATIONS * OP_BYTES;
const PAGES = Math.ceil((DATA + (1 << 20)) / PAGE);
const WORDS = randomWords(16_384);

/** Both over one memory: WebAssembly alone, then with the native kernels that `bind` makes callable over a memory. */
export function trials(bind: (memory: WebAssembly.Memory) => NativeCalls): [Trial, Trial] {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  const simd = chooseSimd();
  const module = compileKernels(simd);
  return [
    new Trial(memory, instantiate(module, memory), simd, false),
    new Trial(memory, instantiate(module, memory, bind(memory)), simd, true),
  ];
}

export class Trial {
  readonly program: Program;
  private top = DATA;
  private used = 0;

  constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly kernels: Kernels,
    readonly simd: Simd,
    readonly native: boolean,
  ) {
    this.program = new Program(memory, PROGRAM, OPERATIONS);
  }

  /** Forgets what was allocated and begins the random inputs anew. */
  begin(): void {
    this.top = DATA;
    this.used = 0;
  }

  /** Memory that holds NaN: what is not computed is not what was computed before. */
  alloc(bytes: number): number {
    const pointer = this.top;
    this.top = Math.ceil((this.top + bytes) / 64) * 64;
    new Uint8Array(this.memory.buffer, pointer, bytes).fill(0xff);
    return pointer;
  }

  zeros(bytes: number): number {
    const pointer = this.alloc(bytes);
    new Uint8Array(this.memory.buffer, pointer, bytes).fill(0);
    return pointer;
  }

  put(values: Int32Array): number {
    const pointer = this.alloc(values.byteLength);
    new Int32Array(this.memory.buffer, pointer, values.length).set(values);
    return pointer;
  }

  /** Floats from −1 to 1. */
  noise(count: number): number {
    const pointer = this.alloc(4 * count);
    const values = new Float32Array(this.memory.buffer, pointer, count);
    const words = this.words(count);
    for (let i = 0; i < count; i++) values[i] = words[i] / 2 ** 31;
    return pointer;
  }

  /** Random bytes, a multiple of four. */
  bytes(count: number): { pointer: number; bytes: Uint8Array } {
    const pointer = this.put(this.words(count / 4));
    return { pointer, bytes: new Uint8Array(this.memory.buffer, pointer, count) };
  }

  /** Runs what was recorded and returns `count` floats. */
  run(pointer: number, count: number): Float32Array {
    const ints = new Int32Array(this.memory.buffer);
    for (let i = 0; i < this.program.count; i++) {
      const op = PROGRAM + i * OP_BYTES;
      for (let piece = 0; piece < ints[op / 4 + 1]; piece++) this.kernels.execute(op, piece, SCRATCH);
    }
    this.program.clear();
    return new Float32Array(this.memory.buffer, pointer, count).slice();
  }

  private words(count: number): Int32Array {
    if (this.used + count > WORDS.length) this.used = 0;
    this.used += count;
    return WORDS.subarray(this.used - count, this.used);
  }
}

function randomWords(count: number): Int32Array {
  const words = new Int32Array(count);
  // The upper bits of a linear congruence are the random ones (Numerical Recipes), so two steps make a word.
  for (let i = 0, state = 1; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const upper = state & 0xffff_0000;
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    words[i] = upper | (state >>> 16);
  }
  return words;
}
