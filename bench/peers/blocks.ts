/** Random blocks of the types that Kaiwen reads but does not write: any bits, with scales that keep values near 1/8. */
import { toScale, write16 } from '../../src/formats/quant/half.js';
import { DTYPES, type DType } from '../../src/tensor/dtype.js';

/** The half-precision scales of a block: [byte offset, typical value]. */
const SCALES = {
  q4_1: [
    [0, 0.03],
    [2, -0.22],
  ],
  q5_0: [[0, 0.013]],
  q5_1: [
    [0, 0.0135],
    [2, -0.21],
  ],
  q2_k: [
    [80, 0.02],
    [82, 0.03],
  ],
  q3_k: [[108, 0.003]],
  q5_k: [
    [0, 0.0005],
    [2, 0.0077],
  ],
} as const satisfies Partial<Record<DType, readonly (readonly [offset: number, value: number])[]>>;

export type ReadOnlyType = keyof typeof SCALES;
export const READ_ONLY_TYPES = Object.keys(SCALES) as ReadOnlyType[];

/** Bytes of `elements` values; `next` gives numbers in [0, 1). */
export function randomBlocks(dtype: ReadOnlyType, elements: number, next: () => number): Uint8Array {
  const { block, bytes } = DTYPES[dtype];
  const out = Uint8Array.from({ length: (elements / block) * bytes }, () => 256 * next());
  for (let start = 0; start < out.length; start += bytes) {
    for (const [offset, value] of SCALES[dtype]) write16(out, start + offset, toScale(value * (0.5 + next())));
  }
  return out;
}
