/**
 * Writes single instructions into a buffer: prefixes (REX, VEX, EVEX), ModRM, SIB, displacements, immediates;
 * and resolves labels at the end. Knows no instruction by name, and refuses what cannot be encoded.
 */
import type { Instruction } from './instructions.js';
import { type Bits, type Gp, isGp, isMem, type Label, type Mask, type Mem, type Vec } from './registers.js';

interface Fixup {
  /** Where the 32-bit distance stands, and the end of its instruction, which it is counted from. */
  at: number;
  end: number;
  label: Label;
  disp: number;
}

/** No instruction is longer. */
const LONGEST = 15;

/** Kernels have tens of thousands of instructions, made while a user waits: nothing here allocates for one. */
export class Encoder {
  #code = new Uint8Array(1 << 16);
  #at = 0;
  readonly #fixups: Fixup[] = [];

  /** Bytes written so far. */
  get offset(): number {
    return this.#at;
  }

  label(): Label {
    return { at: undefined };
  }

  bind(label: Label): void {
    if (label.at !== undefined) throw new Error('the label is bound already');
    label.at = this.offset;
  }

  /** Constants in between the code. */
  data(bytes: ArrayLike<number>): void {
    this.#reserve(bytes.length);
    this.#code.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** The machine code. Throws when a label that was used is not bound. */
  finish(): Uint8Array<ArrayBuffer> {
    const code = this.#code.slice(0, this.#at);
    const view = new DataView(code.buffer);
    for (const { at, end, label, disp } of this.#fixups) {
      if (label.at === undefined) throw new Error('a label is used but not bound');
      view.setInt32(at, label.at + disp - end, true);
    }
    return code;
  }

  /**
   * An opcode of one or two bytes with ModRM in the legacy encoding; `reg` is a register's number or the opcode's digit,
   * `wide` means 64-bit operands. `immBytes` (0, 1 or 4) of `imm` follow.
   */
  protected legacy(opcode: number, reg: number, rm: Gp | Mem, wide: boolean, imm = 0, immBytes = 0): void {
    this.#reserve(LONGEST);
    this.#rex((wide ? 8 : 0) | ((reg >> 3) << 2) | (extension(rm) & 3));
    if (opcode > 255) this.#byte(opcode >> 8);
    this.#byte(opcode);
    this.#operand(reg, rm, 1, immBytes);
    if (immBytes === 1) this.#byte(imm);
    else if (immBytes === 4) this.#word(imm);
  }

  /** An opcode whose low three bits name the register. `imm`: the bytes that follow. */
  protected legacyShort(opcode: number, register: Gp, wide: boolean, imm: readonly number[] = []): void {
    this.#reserve(LONGEST);
    this.#rex((wide ? 8 : 0) | (register.gp >> 3));
    this.#byte(opcode | (register.gp & 7));
    this.data(imm);
  }

  /** An opcode of one or two bytes followed by the distance to a label. */
  protected relative(opcode: number, label: Label): void {
    this.#reserve(LONGEST);
    if (opcode > 255) this.#byte(opcode >> 8);
    this.#byte(opcode);
    this.#distance(label, 0, 0);
  }

  /**
   * A vector instruction: VEX where that can express it, EVEX for 512 bits, registers from 16 on, masks and broadcasts.
   * `reg` and `vvvv` are register numbers, `bits` the vector's length, `imm` a byte or nothing.
   */
  protected vector(
    op: Instruction,
    bits: Bits,
    reg: number,
    vvvv: number,
    rm: Vec | Mem | Gp,
    mask?: Mask,
    imm?: number,
  ): void {
    const embedded = isMem(rm) && rm.broadcast === true;
    const extended = extension(rm);
    const high = reg > 15 || vvvv > 15 || ('n' in rm && rm.n > 15);
    const evex = bits === 512 || high || embedded || mask !== undefined || !op.vex;
    const unit = op.share ? bits / op.share : op.element;
    if (evex && !op.evex) throw new Error('no EVEX encoding: this needs one');
    if (!op.lengths.includes(bits)) throw new Error(`no ${bits}-bit encoding`);
    if (embedded && op.tuple !== 'full') throw new Error('no embedded broadcast');
    // A register that stands where memory of `unit` bytes could is the next larger one that exists.
    if ('n' in rm && rm.bits !== Math.max(128, unit * 8)) throw new Error(`a source of ${rm.bits} bits does not fit`);
    if (mask && !(mask.k >= 1 && mask.k <= 7)) throw new Error(`mask register k${mask.k} cannot mask`);
    this.#reserve(LONGEST);
    const trailing = imm === undefined ? 0 : 1;
    if (evex) {
      this.#evex(op, bits, reg, vvvv, extended, embedded, mask);
      this.#operand(reg, rm, embedded ? 4 << op.w.evex : unit, trailing);
    } else {
      this.#vex(op, bits, reg, vvvv, extended);
      this.#operand(reg, rm, 1, trailing);
    }
    if (imm !== undefined) this.#byte(byte(imm));
  }

  #rex(bits: number): void {
    if (bits) this.#byte(0x40 | bits);
  }

  #vex(op: Instruction, bits: Bits, reg: number, vvvv: number, extended: number): void {
    const last = ((~vvvv & 15) << 3) | (bits === 256 ? 4 : 0) | op.prefix;
    const r = ~reg & 8 ? 0x80 : 0;
    if (extended || op.w.vex || op.map !== 1) {
      this.#byte(0xc4);
      this.#byte(r | ((~extended & 3) << 5) | op.map);
      this.#byte((op.w.vex << 7) | last);
    } else {
      this.#byte(0xc5);
      this.#byte(r | last);
    }
    this.#byte(op.opcode);
  }

  #evex(
    op: Instruction,
    bits: Bits,
    reg: number,
    vvvv: number,
    extended: number,
    embedded: boolean,
    mask: Mask | undefined,
  ): void {
    const ll = bits >> 8; // 0, 1, 2 for 128, 256, 512
    this.#byte(0x62);
    this.#byte((~reg & 8 ? 0x80 : 0) | ((~extended & 3) << 5) | (~reg & 16 ? 0x10 : 0) | op.map);
    this.#byte((op.w.evex << 7) | ((~vvvv & 15) << 3) | 4 | op.prefix);
    const z = mask?.zero ? 0x80 : 0;
    this.#byte(z | (ll << 5) | (embedded ? 0x10 : 0) | (~vvvv & 16 ? 8 : 0) | (mask ? mask.k : 0));
    this.#byte(op.opcode);
  }

  /** ModRM, SIB and displacement. A displacement of one byte counts in `unit`s; `trailing` bytes of the instruction follow. */
  #operand(reg: number, rm: Vec | Mem | Gp, unit: number, trailing: number): void {
    const field = (reg & 7) << 3;
    if (!isMem(rm)) {
      this.#byte(0xc0 | field | (('n' in rm ? rm.n : rm.gp) & 7));
      return;
    }
    const { base, disp, index, scale = 1 } = rm;
    if (!isGp(base)) {
      if (index) throw new Error('an address relative to a label has no index');
      this.#byte(field | 5);
      this.#distance(base, disp, trailing);
      return;
    }
    if (index?.gp === 4) throw new Error('rsp cannot be an index');
    // rbp and r13 as base have no form without a displacement, rsp and r12 none without SIB.
    const short = disp % unit === 0 && disp / unit >= -128 && disp / unit <= 127;
    const mod = disp === 0 && (base.gp & 7) !== 5 ? 0 : short ? 1 : 2;
    if (index || (base.gp & 7) === 4) {
      this.#byte((mod << 6) | field | 4);
      this.#byte((LOG2[scale] << 6) | (((index?.gp ?? 4) & 7) << 3) | (base.gp & 7));
    } else {
      this.#byte((mod << 6) | field | (base.gp & 7));
    }
    if (mod === 1) this.#byte(disp / unit);
    if (mod === 2) this.#word(int32(disp));
  }

  #distance(label: Label, disp: number, trailing: number): void {
    const at = this.offset;
    this.#fixups.push({ at, end: at + 4 + trailing, label, disp });
    this.#word(0);
  }

  /** One byte, for which there must be room. */
  #byte(value: number): void {
    this.#code[this.#at++] = value;
  }

  #word(value: number): void {
    for (let shift = 0; shift < 32; shift += 8) this.#byte(value >> shift);
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#code.length) return;
    const larger = new Uint8Array(2 * (this.#at + bytes));
    larger.set(this.#code);
    this.#code = larger;
  }
}

const LOG2 = { 1: 0, 2: 1, 4: 2, 8: 3 } as const;

/** The fourth bits of index (2) and base (1), or the fifth and fourth of a register. */
function extension(rm: Vec | Mem | Gp): number {
  if (!isMem(rm)) return (('n' in rm ? rm.n : rm.gp) >> 3) & 3;
  return (rm.index && rm.index.gp > 7 ? 2 : 0) | (isGp(rm.base) && rm.base.gp > 7 ? 1 : 0);
}

/** A byte as a signed or unsigned number. */
export function byte(value: number): number {
  if (!Number.isInteger(value) || value < -128 || value > 255) throw new Error(`${value} is not a byte`);
  return value & 255;
}

export function int32(value: number): number {
  if (value !== (value | 0)) throw new Error(`${value} does not fit 32 bits`);
  return value;
}
