/** From the types that matrices and caches are kept in to f32 lanes. */
import { type Assembler, type Mem, mem, r8, r9, r10, type Vec, ymm, zmm } from './assembler.js';
import { enter, leave, loadArg, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { WidenArgs } from './kernels.js';

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

/** A kernel that copies f16 values to f32 ones (arguments: WidenArgs). */
export function widenHalf(a: Assembler, isa: Isa): void {
  const vector = (isa.bits === 512 ? zmm : ymm)(0);
  const lanes = isa.bits / 32;
  const [from, to, left] = [r8, r9, r10];
  const loop = a.label();
  enter(a);
  loadPointer(a, from, WidenArgs.from);
  loadPointer(a, to, WidenArgs.to);
  loadArg(a, left, WidenArgs.count);
  a.bind(loop);
  a.vcvtph2ps(vector, mem(from));
  a.vmovups(mem(to), vector);
  a.add(from, 2 * lanes);
  a.add(to, 4 * lanes);
  a.sub(left, lanes);
  a.jcc('nz', loop);
  leave(a);
}
