/** Sums, maxima and the like over the lanes of a vector, in an order that only the vector's length decides. */
import { type Assembler, type Vec, xmm, ymm } from './assembler.js';

type Combine = (dst: Vec, left: Vec, right: Vec) => void;

/** The first four lanes of `v` become what `combine` makes of all lanes; `spare` is overwritten. */
export function reduceLanes(a: Assembler, v: Vec, spare: Vec, combine: Combine): void {
  const half = (bits: typeof xmm) => combine(bits(v.n), bits(v.n), bits(spare.n));
  if (v.bits === 512) {
    a.vextractf64x4(ymm(spare.n), v, 1);
    half(ymm);
  }
  a.vextractf128(xmm(spare.n), ymm(v.n), 1);
  half(xmm);
  for (const order of [0b01_00_11_10, 0b10_11_00_01]) {
    a.vpermilps(xmm(spare.n), xmm(v.n), order);
    half(xmm);
  }
}

/** The same for all lanes. */
export function acrossLanes(a: Assembler, v: Vec, spare: Vec, combine: Combine): void {
  reduceLanes(a, v, spare, combine);
  a.vbroadcastss(v, xmm(v.n));
}
