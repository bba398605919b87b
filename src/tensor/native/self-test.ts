/** Runs every native kernel once beside its WebAssembly twin, before anything relies on it. */
import { DTYPES } from '../dtype.js';
import { chooseSimd, compileKernels, instantiate, type NativeCalls } from '../kernels.js';
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
  for (const type of TYPES) {
    const expected = product(type);
    const actual = product(type, bind);
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const worst = actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
    // NaN must fail too.
    if (!(largest > 0 && worst <= 1e-5 * largest)) return `${type} is off by ${worst} of ${largest}`;
  }
}

/** A product of pseudo-random weights in held form with pseudo-random activations. */
function product(type: HeldType, bind?: (memory: WebAssembly.Memory) => NativeCalls): Float32Array {
  const simd = chooseSimd();
  const pages = Math.ceil(BYTES / PAGE);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const kernels = instantiate(compileKernels(simd), memory, bind?.(memory));
  const program = new Program(memory, PROGRAM, 16);
  let top = DATA;
  const alloc = (bytes: number) => {
    const pointer = top;
    top = Math.ceil((top + bytes) / 64) * 64;
    return pointer;
  };
  const weights = alloc(heldBytes(type, ROWS, COLS));
  const bytes = new Uint8Array(memory.buffer, weights, heldBytes(type, ROWS, COLS));
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state;
  };
  for (let i = 0; i < bytes.length; i++) bytes[i] = random() >>> 24;
  tame(type, bytes);
  const x = alloc(4 * TOKENS * COLS);
  new Float32Array(memory.buffer, x, TOKENS * COLS).forEach((_, i, values) => {
    values[i] = random() / 2 ** 31;
  });
  const bits = activationBits(type, simd, bind !== undefined);
  const activations = bits ? alloc(quantizedBytes(TOKENS, COLS, bits)) : x;
  const y = alloc(4 * TOKENS * ROWS);
  if (bits) quantize(program, { x, out: activations, tokens: TOKENS, cols: COLS, bits });
  matmul(program, { type, weights, x: activations, y, tokens: TOKENS, rows: ROWS, cols: COLS });
  const ints = new Int32Array(memory.buffer);
  for (let i = 0; i < program.count; i++) {
    const op = PROGRAM + i * OP_BYTES;
    for (let piece = 0; piece < ints[op / 4 + 1]; piece++) kernels.execute(op, piece, SCRATCH);
  }
  return new Float32Array(memory.buffer, y, TOKENS * ROWS);
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
