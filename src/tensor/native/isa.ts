/** The instruction sets that native kernels are generated for, best first. */
export const ISA_NAMES = ['avx512-vnni', 'avx512', 'avx-vnni', 'avx2'] as const;

export type IsaName = (typeof ISA_NAMES)[number];

export interface Isa {
  readonly name: IsaName;
  /** Width of a vector: a panel's 16 rows are one of 512 bits or two of 256. */
  readonly bits: 256 | 512;
  readonly registers: 16 | 32;
  /** Whether vpdpbusd is there: unsigned × signed bytes, four products a lane, in one instruction. */
  readonly vnni: boolean;
}

export const ISAS: Readonly<Record<IsaName, Isa>> = {
  'avx512-vnni': { name: 'avx512-vnni', bits: 512, registers: 32, vnni: true },
  avx512: { name: 'avx512', bits: 512, registers: 32, vnni: false },
  'avx-vnni': { name: 'avx-vnni', bits: 256, registers: 16, vnni: true },
  avx2: { name: 'avx2', bits: 256, registers: 16, vnni: false },
};
