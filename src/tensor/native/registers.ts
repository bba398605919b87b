/** The operands of x86-64 instructions: registers, memory, masks and labels. */

/** A general register, 64 bits unless the instruction says otherwise. An object, so that it cannot be taken for an immediate. */
export interface Gp {
  readonly gp: number;
}

/** Registers by number, 0 … 15 in the order of the encoding. */
export const generalRegisters: readonly Gp[] = Array.from({ length: 16 }, (_, gp) => Object.freeze({ gp }));
export const [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi] = generalRegisters;
export const [r8, r9, r10, r11, r12, r13, r14, r15] = generalRegisters.slice(8);

export type Bits = 128 | 256 | 512;

/** A vector register; numbers 16 … 31 exist with EVEX encodings only. */
export interface Vec {
  readonly n: number;
  readonly bits: Bits;
}

export const xmm = (n: number): Vec => vector(n, 128);
export const ymm = (n: number): Vec => vector(n, 256);
export const zmm = (n: number): Vec => vector(n, 512);

function vector(n: number, bits: Bits): Vec {
  if (!(n >= 0 && n < 32)) throw new Error(`there is no vector register ${n}`);
  return { n, bits };
}

/** A place in the code; made by `label()`, placed by `bind()`. */
export interface Label {
  at: number | undefined;
}

export type Scale = 1 | 2 | 4 | 8;

/** Memory at base + disp + index × scale; with a label as base the address is relative to the instruction pointer. */
export interface Mem {
  base: Gp | Label;
  disp: number;
  index?: Gp;
  scale?: Scale;
  /** One 32-bit (or 64-bit, where the instruction's elements are) element, repeated over the vector. */
  broadcast?: boolean;
}

// All of one shape: V8 looks into objects of few shapes fast.
export const mem = (base: Gp | Label, disp = 0, index?: Gp, scale: Scale = 1, broadcast = false): Mem => ({
  base,
  disp,
  index,
  scale,
  broadcast,
});
export const memLabel = (label: Label, disp = 0): Mem => mem(label, disp);
export const broadcast = (m: Mem): Mem => mem(m.base, m.disp, m.index, m.scale, true);

/** Writes only the elements whose bit is set in mask register k (1 … 7); the others stay, or become zero. */
export interface Mask {
  k: number;
  zero?: boolean;
}

export const isMem = (operand: object | number): operand is Mem => typeof operand === 'object' && 'base' in operand;
export const isGp = (operand: object | number): operand is Gp => typeof operand === 'object' && 'gp' in operand;
