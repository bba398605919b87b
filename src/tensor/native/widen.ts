/** From the types that matrices and caches are kept in to f32 lanes. */
import type { Assembler, Mem, Vec } from './assembler.js';

export type FloatType = 'f32' | 'f16' | 'bf16';

/** As many values at `src` as `dst` has lanes. */
export function widen(a: Assembler, type: FloatType, dst: Vec, src: Mem): void {
  if (type === 'f32') a.vmovups(dst, src);
  else if (type === 'f16') a.vcvtph2ps(dst, src);
  else {
    a.vpmovzxwd(dst, src);
    a.vpslld(dst, dst, 16);
  }
}
