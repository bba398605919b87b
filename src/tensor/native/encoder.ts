/**
 * Writes single instructions into a buffer: prefixes (REX, VEX, EVEX), ModRM, SIB, displacements, immediates;
 * and resolves labels at the end. Knows no instruction by name, and refuses what cannot be encoded.
 */
import type { Instruction, Tuple } from './instructions.js';
import { type Bits, type Gp, isGp, isMem, type Label, type Mask, type Mem, type Vec } from './registers.js';

interface Fixup {
  /** Where the 32-bit distance stands, and the end of its instruction, which it is counted from. */
  at: number;
  end: number;
  label: Label;
  disp: number;
}

export interface LegacyOptions {
  /** 64-bit operands. */
  wide?: boolean;
  imm?: readonly number[];
}

export class Encoder {
  readonly #bytes: number[] = [];
  readonly #fixups: Fixup[] = [];

  /** Bytes written so far. */
  get offset(): number {
    return this.#bytes.length;
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
    for (let i = 0; i < bytes.length; i++) this.#bytes.push(bytes[i] & 255);
  }

  /** The machine code. Throws when a label that was used is not bound. */
  finish(): Uint8Array<ArrayBuffer> {
    const code = Uint8Array.from(this.#bytes);
    const view = new DataView(code.buffer);
    for (const { at, end, label, disp } of this.#fixups) {
      if (label.at === undefined) throw new Error('a label is used but not bound');
      view.setInt32(at, label.at + disp - end, true);
    }
    return code;
  }

  /** An opcode with ModRM in the legacy encoding; `reg` is a register's number or the opcode's digit. */
  protected legacy(opcode: readonly number[], reg: number, rm: Gp | Mem, { wide, imm = [] }: LegacyOptions = {}): void {
    const { x, b } = extension(rm);
    this.#rex((wide ? 8 : 0) | ((reg >> 3) << 2) | (x << 1) | b);
    this.data(opcode);
    this.#operand(reg, rm, 1, imm.length);
    this.data(imm);
  }

  /** An opcode whose low three bits name the register. */
  protected legacyShort(opcode: number, register: Gp, { wide, imm = [] }: LegacyOptions = {}): void {
    this.#rex((wide ? 8 : 0) | (register.gp >> 3));
    this.data([opcode | (register.gp & 7), ...imm]);
  }

  /** An opcode followed by the distance to a label. */
  protected relative(opcode: readonly number[], label: Label): void {
    this.data(opcode);
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
    { mask, imm }: { mask?: Mask; imm?: number } = {},
  ): void {
    const high = reg > 15 || vvvv > 15 || ('n' in rm && rm.n > 15);
    const embedded = isMem(rm) && rm.broadcast === true;
    const evex = bits === 512 || high || embedded || mask !== undefined || !op.vex;
    if (evex && !op.evex) throw new Error('no EVEX encoding: this needs one');
    if (!op.lengths.includes(bits)) throw new Error(`no ${bits}-bit encoding`);
    if (embedded && op.tuple !== 'full') throw new Error('no embedded broadcast');
    if ('n' in rm && rm.bits !== operandBits(op.tuple, bits))
      throw new Error(`a source of ${rm.bits} bits does not fit`);
    if (mask && !(mask.k >= 1 && mask.k <= 7)) throw new Error(`mask register k${mask.k} cannot mask`);
    const trailing = imm === undefined ? [] : [byte(imm)];
    if (evex) {
      this.#evex(op, bits, reg, vvvv, rm, embedded, mask);
      const unit = embedded ? 4 << op.w.evex : operandBytes(op.tuple, bits);
      this.#operand(reg, rm, unit, trailing.length);
    } else {
      this.#vex(op, bits, reg, vvvv, rm);
      this.#operand(reg, rm, 1, trailing.length);
    }
    this.data(trailing);
  }

  #rex(bits: number): void {
    if (bits) this.data([0x40 | bits]);
  }

  #vex(op: Instruction, bits: Bits, reg: number, vvvv: number, rm: Vec | Mem | Gp): void {
    const { x, b } = extension(rm);
    const last = ((~vvvv & 15) << 3) | (bits === 256 ? 4 : 0) | op.prefix;
    const r = ~reg & 8 ? 0x80 : 0;
    if (x || b || op.w.vex || op.map !== 1) {
      this.data([0xc4, r | (x ? 0 : 0x40) | (b ? 0 : 0x20) | op.map, (op.w.vex << 7) | last, op.opcode]);
    } else {
      this.data([0xc5, r | last, op.opcode]);
    }
  }

  #evex(
    op: Instruction,
    bits: Bits,
    reg: number,
    vvvv: number,
    rm: Vec | Mem | Gp,
    embedded: boolean,
    mask: Mask | undefined,
  ): void {
    const { x, b } = extension(rm);
    const ll = bits >> 8; // 0, 1, 2 for 128, 256, 512
    this.data([
      0x62,
      (~reg & 8 ? 0x80 : 0) | (x ? 0 : 0x40) | (b ? 0 : 0x20) | (~reg & 16 ? 0x10 : 0) | op.map,
      (op.w.evex << 7) | ((~vvvv & 15) << 3) | 4 | op.prefix,
      (mask?.zero ? 0x80 : 0) | (ll << 5) | (embedded ? 0x10 : 0) | (~vvvv & 16 ? 8 : 0) | (mask?.k ?? 0),
      op.opcode,
    ]);
  }

  /** ModRM, SIB and displacement. A displacement of one byte counts in `unit`s; `trailing` bytes of the instruction follow. */
  #operand(reg: number, rm: Vec | Mem | Gp, unit: number, trailing: number): void {
    const field = (reg & 7) << 3;
    if (!isMem(rm)) {
      this.data([0xc0 | field | (('n' in rm ? rm.n : rm.gp) & 7)]);
      return;
    }
    const { base, disp, index, scale = 1 } = rm;
    if (!isGp(base)) {
      if (index) throw new Error('an address relative to a label has no index');
      this.data([field | 5]);
      this.#distance(base, disp, trailing);
      return;
    }
    if (index?.gp === 4) throw new Error('rsp cannot be an index');
    // rbp and r13 as base have no form without a displacement, rsp and r12 none without SIB.
    const short = disp % unit === 0 && disp / unit >= -128 && disp / unit <= 127;
    const mod = disp === 0 && (base.gp & 7) !== 5 ? 0 : short ? 1 : 2;
    if (index || (base.gp & 7) === 4) {
      const sib = (Math.log2(scale) << 6) | (((index?.gp ?? 4) & 7) << 3) | (base.gp & 7);
      this.data([(mod << 6) | field | 4, sib]);
    } else {
      this.data([(mod << 6) | field | (base.gp & 7)]);
    }
    if (mod === 1) this.data([disp / unit]);
    if (mod === 2) this.data(int32(disp));
  }

  #distance(label: Label, disp: number, trailing: number): void {
    const at = this.offset;
    this.#fixups.push({ at, end: at + 4 + trailing, label, disp });
    this.data([0, 0, 0, 0]);
  }
}

/** The fourth bits of index and base, or the fifth and fourth of a register. */
function extension(rm: Vec | Mem | Gp): { x: number; b: number } {
  if (!isMem(rm)) {
    const n = 'n' in rm ? rm.n : rm.gp;
    return { x: (n >> 4) & 1, b: (n >> 3) & 1 };
  }
  return { x: rm.index ? rm.index.gp >> 3 : 0, b: isGp(rm.base) ? rm.base.gp >> 3 : 0 };
}

function operandBytes(tuple: Tuple, bits: Bits): number {
  switch (tuple) {
    case 'full':
    case 'whole':
      return bits / 8;
    case 'half':
      return bits / 16;
    case 'quarter':
      return bits / 32;
    case 'part128':
      return 16;
    case 'part256':
      return 32;
    default:
      return Number(tuple.slice('element'.length));
  }
}

/** The size of a register that stands where memory of operandBytes could: the next that exists. */
function operandBits(tuple: Tuple, bits: Bits): number {
  return Math.max(128, operandBytes(tuple, bits) * 8);
}

/** A byte as a signed or unsigned number. */
export function byte(value: number): number {
  if (!Number.isInteger(value) || value < -128 || value > 255) throw new Error(`${value} is not a byte`);
  return value & 255;
}

export function int32(value: number): number[] {
  if (value !== (value | 0)) throw new Error(`${value} does not fit 32 bits`);
  return [value, value >> 8, value >> 16, value >> 24];
}
