/** Runs every native kernel once beside its WebAssembly twin, before anything relies on it. */
import { DTYPES } from '../dtype.js';
import { chooseSimd, compileKernels, instantiate, type Kernels, type NativeCalls } from '../kernels.js';
import { OP_BYTES, SCRATCH_BYTES } from '../opcodes.js';
import { activationBits, type HeldType, heldBytes, isFloat } from '../ops/layout.js';
import { Q4_0_BLOCK, Q4_K_BLOCK, Q6_K_BLOCK, Q8_0_BLOCK } from '../ops/layout-constants.js';
import { matmul } from '../ops/matmul.js';
import { quantize, quantizedBytes } from '../ops/quantize.js';
import { Program } from '../program.js';

const TYPES: readonly HeldType[] = ['q8_0', 'q4_0', 'q4_k', 'q6_k', 'f32', 'f16', 'bf16'];
/**
 * Two whole panels and a part; tiles of the largest size and smaller ones; more tokens than pass over float rows where
 * they lie (kernels/matmul-float-native.ts).
 */
const [ROWS, COLS, TOKENS] = [37, 256, 37];
const PAGE = 65_536;
const SCRATCH = PAGE;
const PROGRAM = SCRATCH + SCRATCH_BYTES;
const DATA = PROGRAM + 16 * OP_BYTES;
const BYTES = DATA + (1 << 20);

/** What differs, or undefined if nothing does. `bind` makes the native kernels callable over a memory. */
export function selfTest(bind: (memory: WebAssembly.Memory) => NativeCalls): string | undefined {
  const pages = Math.ceil(BYTES / PAGE);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const module = compileKernels(chooseSimd());
  const [wasm, native] = [instantiate(module, memory), instantiate(module, memory, bind(memory))];
  const words = randomWords(heldBytes('f32', ROWS, COLS) / 4);
  for (const type of TYPES) {
    const expected = product(type, words, memory, wasm, false);
    const actual = product(type, words, memory, native, true);
    let largest = 0;
    let worst = 0;
    for (let i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      worst = Math.max(worst, Math.abs(actual[i] - expected[i]));
    }
    // NaN must fail too.
    if (!(largest > 0 && worst <= 1e-5 * largest)) return `${type} is off by ${worst} of ${largest}`;
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

/** A product of weights in held form with activations, both made of random words. */
function product(
  type: HeldType,
  words: Int32Array,
  memory: WebAssembly.Memory,
  kernels: Kernels,
  native: boolean,
): Float32Array {
  const program = new Program(memory, PROGRAM, 16);
  let top = DATA;
  const alloc = (bytes: number) => {
    const pointer = top;
    top = Math.ceil((top + bytes) / 64) * 64;
    return pointer;
  };
  const weights = alloc(heldBytes(type, ROWS, COLS));
  const bytes = new Uint8Array(memory.buffer, weights, heldBytes(type, ROWS, COLS));
  bytes.set(new Uint8Array(words.buffer, 0, bytes.length));
  tame(type, bytes);
  const x = alloc(4 * TOKENS * COLS);
  const values = new Float32Array(memory.buffer, x, TOKENS * COLS);
  for (let i = 0; i < values.length; i++) values[i] = words[i] / 2 ** 31;
  const bits = activationBits(type, chooseSimd(), native);
  const activations = bits ? alloc(quantizedBytes(TOKENS, COLS, bits)) : x;
  const y = alloc(4 * TOKENS * ROWS);
  const results = new Float32Array(memory.buffer, y, TOKENS * ROWS);
  // What is not computed is not what was computed before.
  results.fill(Number.NaN);
  if (bits) quantize(program, { x, out: activations, tokens: TOKENS, cols: COLS, bits });
  matmul(program, { type, weights, x: activations, y, tokens: TOKENS, rows: ROWS, cols: COLS });
  const ints = new Int32Array(memory.buffer);
  for (let i = 0; i < program.count; i++) {
    const op = PROGRAM + i * OP_BYTES;
    for (let piece = 0; piece < ints[op / 4 + 1]; piece++) kernels.execute(op, piece, SCRATCH);
  }
  return results.slice();
}

/** Where a block's f16 scales lie, and how long it is. */
const BLOCKS = {
  q8_0: { bytes: Q8_0_BLOCK, halves: 16 },
  q4_0: { bytes: Q4_0_BLOCK, halves: 16 },
  q4_k: { bytes: Q4_K_BLOCK, halves: 32 },
  q6_k: { bytes: Q6_K_BLOCK, halves: 16 },
} as const;

/** Makes possible weights of random bits: floats of about 1 (f16) or 0.01, scales of about 0.001, 6 bits in q4_k's. */
function tame(type: HeldType, panels: Uint8Array): void {
  if (isFloat(type)) {
    const size = DTYPES[type].bytes;
    for (let i = size - 1; i < panels.length; i += size) panels[i] = 0x3c;
    return;
  }
  const { bytes, halves } = BLOCKS[type];
  for (let block = 0; block < panels.length; block += bytes) {
    for (let i = 0; i < halves; i++) panels[block + 2 * i + 1] = 0x14;
    if (type !== 'q4_k') continue;
    for (let sub = block + 64; sub < block + bytes; sub += 288) for (let i = 0; i < 32; i++) panels[sub + i] &= 63;
  }
}
