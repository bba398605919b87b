/** e^x in machine code, for every kernel that needs it: the same operations in the same order as exp in kernels/simd.ts. */
import type { Assembler, Vec } from './assembler.js';
import type { Constants } from './constants.js';

/**
 * `x` becomes e to its power, within 2 units in the last place for x of up to 88.3 (above, e^88.3); 0 below −87.7; NaN stays.
 * The spare registers are overwritten. `below`: x is known not to exceed 0 by more than a rounding.
 * Cody-Waite reduction, a polynomial of degree 6.
 */
export function exponential(
  a: Assembler,
  x: Vec,
  [shifted, n, p]: readonly Vec[],
  constants: Constants,
  below = false,
): void {
  // The second operand is the result if one is NaN. At −88, 2^n below is made of zero bits.
  a.vmovups(p, constants.of(-88));
  a.vmaxps(x, p, x);
  if (!below) {
    a.vmovups(p, constants.of(88.3762626647949));
    a.vminps(x, p, x);
  }
  // Adding 1.5 · 2^23 rounds to an integer and leaves it in the low bits.
  a.vmovups(shifted, constants.of(12582912));
  a.vfmadd231ps(shifted, x, constants.of(Math.LOG2E));
  a.vsubps(n, shifted, constants.of(12582912));
  a.vfmadd231ps(x, n, constants.of(-0.693359375));
  a.vfmadd231ps(x, n, constants.of(2.1219444e-4));
  a.vmovups(p, constants.of(1.98756915e-4));
  for (const c of [1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1]) {
    a.vfmadd213ps(p, x, constants.of(c));
  }
  a.vmulps(n, x, x);
  a.vfmadd213ps(p, n, x);
  a.vaddps(p, p, constants.of(1));
  a.vpslld(shifted, shifted, 23);
  a.vpaddd(shifted, shifted, constants.of(1));
  a.vmulps(x, p, shifted);
}
