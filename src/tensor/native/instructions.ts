/**
 * The vector instructions that the assembler knows, by the shape of their operands.
 *
 * A row reads as in the manuals: prefix.map.W, opcode (and /digit), how memory is read, then limits.
 * W0/1 is W0 in VEX and W1 in EVEX. Lengths are 128, 256 and, in EVEX, 512 bits unless a row says otherwise.
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.
 */
import type { Bits, Mask, Mem, Vec } from './registers.js';

type Source = Vec | Mem;

/** dst, a, b */
export const threeOperands = {
  vaddps: 'NP.0F.W0 58 full',
  vsubps: 'NP.0F.W0 5C full',
  vmulps: 'NP.0F.W0 59 full',
  vdivps: 'NP.0F.W0 5E full',
  vminps: 'NP.0F.W0 5D full',
  vmaxps: 'NP.0F.W0 5F full',
  vandps: 'NP.0F.W0 54 full',
  vorps: 'NP.0F.W0 56 full',
  vxorps: 'NP.0F.W0 57 full',
  vscalefps: '66.0F38.W0 2C full evex',
  vfmadd132ps: '66.0F38.W0 98 full',
  vfmadd213ps: '66.0F38.W0 A8 full',
  vfmadd231ps: '66.0F38.W0 B8 full',
  vfnmadd231ps: '66.0F38.W0 BC full',
  vfmadd231ss: '66.0F38.W0 B9 element4 128',
  vpdpbusd: '66.0F38.W0 50 full',
  vpdpwssd: '66.0F38.W0 52 full',
  vpmaddubsw: '66.0F38.W0 04 whole',
  vpmaddwd: '66.0F.W0 F5 whole',
  vpsignb: '66.0F38.W0 08 whole vex',
  vpaddb: '66.0F.W0 FC whole',
  vpaddw: '66.0F.W0 FD whole',
  vpaddd: '66.0F.W0 FE full',
  vpsubb: '66.0F.W0 F8 whole',
  vpsubw: '66.0F.W0 F9 whole',
  vpsubd: '66.0F.W0 FA full',
  vpmulld: '66.0F38.W0 40 full',
  vpmaxsd: '66.0F38.W0 3D full',
  vpcmpgtd: '66.0F.W0 66 whole vex',
  vpmullw: '66.0F.W0 D5 whole',
  // In EVEX these four are the forms that mask 32-bit elements (vpandd …).
  vpand: '66.0F.W0 DB full',
  vpandn: '66.0F.W0 DF full',
  vpor: '66.0F.W0 EB full',
  vpxor: '66.0F.W0 EF full',
  vunpcklps: 'NP.0F.W0 14 full',
  vunpckhps: 'NP.0F.W0 15 full',
  vpunpckldq: '66.0F.W0 62 full',
  vpunpckhdq: '66.0F.W0 6A full',
  vpunpcklqdq: '66.0F.W0/1 6C full',
  vpunpckhqdq: '66.0F.W0/1 6D full',
  vpackssdw: '66.0F.W0 6B full',
  vpacksswb: '66.0F.W0 63 whole',
  vpshufb: '66.0F38.W0 00 whole',
  vpermps: '66.0F38.W0 16 full 256+',
  vpermd: '66.0F38.W0 36 full 256+',
  vpermt2ps: '66.0F38.W0 7F full evex',
  vpermt2d: '66.0F38.W0 7E full evex',
} as const;

/** dst, a, b, imm8 */
export const threeOperandsImmediate = {
  vshufps: 'NP.0F.W0 C6 full',
  vpalignr: '66.0F3A.W0 0F whole',
  vpternlogd: '66.0F3A.W0 25 full evex',
  vshuff32x4: '66.0F3A.W0 23 full 256+ evex',
  vperm2f128: '66.0F3A.W0 06 whole 256 vex',
  vblendps: '66.0F3A.W0 0C whole vex',
  vinsertf128: '66.0F3A.W0 18 part128 256 vex',
  vinserti128: '66.0F3A.W0 38 part128 256 vex',
  vinsertf32x4: '66.0F3A.W0 18 part128 256+ evex',
  vinsertf64x4: '66.0F3A.W1 1A part256 512 evex',
} as const;

/** dst, src */
export const twoOperands = {
  vsqrtps: 'NP.0F.W0 51 full',
  vcvtdq2ps: 'NP.0F.W0 5B full',
  vcvtps2dq: '66.0F.W0 5B full',
  vcvttps2dq: 'F3.0F.W0 5B full',
  vcvtph2ps: '66.0F38.W0 13 half',
  vpabsb: '66.0F38.W0 1C whole',
  vpmovsxbw: '66.0F38.W0 20 half',
  vpmovsxbd: '66.0F38.W0 21 quarter',
  vpmovsxwd: '66.0F38.W0 23 half',
  vpmovzxbw: '66.0F38.W0 30 half',
  vpmovzxbd: '66.0F38.W0 31 quarter',
  vpmovzxwd: '66.0F38.W0 33 half',
  vbroadcastss: '66.0F38.W0 18 element4',
} as const;

/** dst, src in memory */
export const loads = {
  vbroadcastf128: '66.0F38.W0 1A part128 256 vex',
  vbroadcasti128: '66.0F38.W0 5A part128 256 vex',
  vbroadcasti32x4: '66.0F38.W0 5A part128 256+ evex',
  vbroadcasti64x4: '66.0F38.W1 5B part256 512 evex',
} as const;

/** dst, src, imm8 */
export const twoOperandsImmediate = {
  vpshufd: '66.0F.W0 70 full',
  vpermq: '66.0F3A.W1 00 full 256+',
  vroundps: '66.0F3A.W0 08 whole vex',
  vrndscaleps: '66.0F3A.W0 08 full evex',
} as const;

/** dst, src, imm8; src is a register */
export const shifts = {
  vpsrlw: '66.0F.W0 71/2 whole',
  vpsraw: '66.0F.W0 71/4 whole',
  vpsllw: '66.0F.W0 71/6 whole',
  vpsrld: '66.0F.W0 72/2 full',
  vpsrad: '66.0F.W0 72/4 full',
  vpslld: '66.0F.W0 72/6 full',
} as const;

/** dst (a narrower register, or memory), src */
export const narrowing = {
  vpmovdb: 'F3.0F38.W0 31 quarter evex',
  vpmovsdb: 'F3.0F38.W0 21 quarter evex',
} as const;

/** dst (a narrower register, or memory), src, imm8 */
export const narrowingImmediate = {
  vcvtps2ph: '66.0F3A.W0 1D half',
  vextractf128: '66.0F3A.W0 19 part128 256 vex',
  vextracti128: '66.0F3A.W0 39 part128 256 vex',
  vextractf32x4: '66.0F3A.W0 19 part128 256+ evex',
  vextractf64x4: '66.0F3A.W1 1B part256 512 evex',
} as const;

/** Whole vectors to and from memory: the opcode of the load, then that of the store. */
export const moves = {
  vmovups: ['NP.0F.W0 10 whole', 'NP.0F.W0 11 whole'],
  // In VEX, where nothing is masked, this is vmovdqu.
  vmovdqu32: ['F3.0F.W0 6F whole', 'F3.0F.W0 7F whole'],
  vmovdqu8: ['F2.0F.W0 6F whole evex', 'F2.0F.W0 7F whole evex'],
  vmovdqu16: ['F2.0F.W1 6F whole evex', 'F2.0F.W1 7F whole evex'],
} as const;

type Methods<Table, Call> = { [Name in keyof Table]: Call };

/** One method an instruction, named as in the manuals. */
export type VectorMethods = Methods<typeof threeOperands, (dst: Vec, a: Vec, b: Source, mask?: Mask) => void> &
  Methods<typeof threeOperandsImmediate, (dst: Vec, a: Vec, b: Source, imm: number, mask?: Mask) => void> &
  Methods<typeof twoOperands, (dst: Vec, src: Source, mask?: Mask) => void> &
  Methods<typeof loads, (dst: Vec, src: Mem, mask?: Mask) => void> &
  Methods<typeof twoOperandsImmediate, (dst: Vec, src: Source, imm: number, mask?: Mask) => void> &
  Methods<typeof shifts, (dst: Vec, src: Vec, imm: number, mask?: Mask) => void> &
  Methods<typeof narrowing, (dst: Source, src: Vec, mask?: Mask) => void> &
  Methods<typeof narrowingImmediate, (dst: Source, src: Vec, imm: number, mask?: Mask) => void> &
  Methods<typeof moves, { (dst: Vec, src: Source, mask?: Mask): void; (dst: Mem, src: Vec, mask?: Mask): void }>;

/**
 * What the memory (or register) operand holds, which is also the unit of EVEX's compressed displacements:
 * a whole vector, a part of one, or one element. Only `full` can be broadcast from one element.
 */
export type Tuple =
  | 'full'
  | 'whole'
  | 'half'
  | 'quarter'
  | 'part128'
  | 'part256'
  | 'element1'
  | 'element2'
  | 'element4'
  | 'element8';

export interface Instruction {
  prefix: number;
  map: number;
  opcode: number;
  /** Takes the place of a register in the encoding of shifts. */
  digit: number | undefined;
  w: { vex: number; evex: number };
  tuple: Tuple;
  /** The bytes that a memory operand has: the vector's bits divided by `share`, or, where that is 0, `element`. */
  share: number;
  element: number;
  lengths: readonly Bits[];
  vex: boolean;
  evex: boolean;
}

/** [share, element] */
const SIZES: Readonly<Record<Tuple, readonly [number, number]>> = {
  full: [8, 0],
  whole: [8, 0],
  half: [16, 0],
  quarter: [32, 0],
  part128: [0, 16],
  part256: [0, 32],
  element1: [0, 1],
  element2: [0, 2],
  element4: [0, 4],
  element8: [0, 8],
};

const PREFIXES = { NP: 0, '66': 1, F3: 2, F2: 3 };
const MAPS = { '0F': 1, '0F38': 2, '0F3A': 3 };
const LENGTHS: Record<string, Bits[]> = { '128': [128], '256': [256], '512': [512], '256+': [256, 512] };

/** Reads a row of the tables above. */
export function instruction(row: string): Instruction {
  const [encoding, code, tuple, ...limits] = row.split(' ');
  const [prefix, map, w] = encoding.split('.');
  const [opcode, digit] = code.split('/');
  const lengths = limits.find((limit) => limit in LENGTHS);
  const [share, element] = SIZES[tuple as Tuple];
  return {
    prefix: PREFIXES[prefix as keyof typeof PREFIXES],
    map: MAPS[map as keyof typeof MAPS],
    opcode: Number.parseInt(opcode, 16),
    digit: digit === undefined ? undefined : Number(digit),
    w: { vex: Number(w[1]), evex: Number(w.at(-1)) },
    tuple: tuple as Tuple,
    share,
    element,
    lengths: lengths ? LENGTHS[lengths] : [128, 256, 512],
    vex: !limits.includes('evex'),
    evex: !limits.includes('vex'),
  };
}
