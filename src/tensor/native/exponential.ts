/** e^x in machine code, for every kernel that needs it: the same operations in the same order as exp in kernels/simd.ts. */
import type { Assembler, Mem, Vec } from './assembler.js';

/** A number in every lane of a register or of memory. */
export type Constant = (value: number) => Vec | Mem;

const [LOWEST, HIGHEST] = [-88, 88.3762626647949];
/** Adding 1.5 · 2^23 rounds to an integer and leaves it in the low bits. */
const ROUNDING = 12582912;
const LN2 = [0.693359375, -2.1219444e-4];
const POLYNOMIAL = [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1];

/** What is worth a register, most used first. */
export const EXPONENTIAL_CONSTANTS = [
  1,
  ROUNDING,
  LOWEST,
  HIGHEST,
  Math.LOG2E,
  ...LN2.map((part) => -part),
  ...POLYNOMIAL,
];

/**
 * Each of `xs` becomes e to its power, within 2 units in the last place for x of up to 88.3 (above, e^88.3); 0 below −87.7;
 * NaN stays. Three spare registers for each are overwritten. `below`: nothing exceeds 0 by more than a rounding.
 * Cody-Waite reduction, a polynomial of degree 6: a long chain, so several at a time keep the processor busy.
 */
export function exponential(
  a: Assembler,
  xs: readonly Vec[],
  spares: readonly Vec[],
  constant: Constant,
  below = false,
): void {
  const each = (step: (x: Vec, shifted: Vec, n: Vec, p: Vec) => void) => {
    xs.forEach((x, i) => {
      step(x, spares[3 * i], spares[3 * i + 1], spares[3 * i + 2]);
    });
  };
  // The second operand is the result if one is NaN. At the lowest, 2^n below is made of zero bits.
  each((x, _shifted, _n, p) => a.vmaxps(x, inRegister(a, constant(LOWEST), p), x));
  if (!below) each((x, _shifted, _n, p) => a.vminps(x, inRegister(a, constant(HIGHEST), p), x));
  each((_x, shifted) => a.vmovups(shifted, constant(ROUNDING)));
  each((x, shifted) => a.vfmadd231ps(shifted, x, constant(Math.LOG2E)));
  each((_x, shifted, n) => a.vsubps(n, shifted, constant(ROUNDING)));
  for (const part of LN2) each((x, _shifted, n) => a.vfmadd231ps(x, n, constant(-part)));
  each((_x, _shifted, _n, p) => a.vmovups(p, constant(POLYNOMIAL[0])));
  for (const c of POLYNOMIAL.slice(1)) each((x, _shifted, _n, p) => a.vfmadd213ps(p, x, constant(c)));
  each((x, _shifted, n) => a.vmulps(n, x, x));
  each((x, _shifted, n, p) => a.vfmadd213ps(p, n, x));
  each((_x, _shifted, _n, p) => a.vaddps(p, p, constant(1)));
  each((_x, shifted) => a.vpslld(shifted, shifted, 23));
  each((_x, shifted) => a.vpaddd(shifted, shifted, constant(1)));
  each((x, shifted, _n, p) => a.vmulps(x, p, shifted));
}

/** The register that holds the operand: its own, or `spare`. */
export function inRegister(a: Assembler, operand: Vec | Mem, spare: Vec): Vec {
  if ('n' in operand) return operand;
  a.vmovups(spare, operand);
  return spare;
}
