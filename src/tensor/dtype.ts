/**
 * Element types of tensors as files store them: GGUF's numbering, the number of elements in a block
 * and the bytes of one block (ggml's definitions; plain types are blocks of one).
 */
export const DTYPES = {
  f32: { gguf: 0, block: 1, bytes: 4 },
  f16: { gguf: 1, block: 1, bytes: 2 },
  q4_0: { gguf: 2, block: 32, bytes: 18 },
  q4_1: { gguf: 3, block: 32, bytes: 20 },
  q5_0: { gguf: 6, block: 32, bytes: 22 },
  q5_1: { gguf: 7, block: 32, bytes: 24 },
  q8_0: { gguf: 8, block: 32, bytes: 34 },
  q2_k: { gguf: 10, block: 256, bytes: 84 },
  q3_k: { gguf: 11, block: 256, bytes: 110 },
  q4_k: { gguf: 12, block: 256, bytes: 144 },
  q5_k: { gguf: 13, block: 256, bytes: 176 },
  q6_k: { gguf: 14, block: 256, bytes: 210 },
  bf16: { gguf: 30, block: 1, bytes: 2 },
} as const;

export type DType = keyof typeof DTYPES;

/** Bytes of `elements` values of a type; `elements` must be a multiple of its block. */
export function byteLength(dtype: DType, elements: number): number {
  const { block, bytes } = DTYPES[dtype];
  return (elements / block) * bytes;
}
