/** The integer, control-flow and system instructions. 64 bits unless a method says otherwise. */
import { byte, Encoder, int32 } from './encoder.js';
import { type Gp, type Label, type Mem, memLabel } from './registers.js';

const CONDITIONS = { b: 2, ae: 3, e: 4, z: 4, ne: 5, nz: 5, be: 6, a: 7, l: 12, ge: 13, le: 14, g: 15 };
export type Condition = keyof typeof CONDITIONS;

/** No-operations of 1 to 9 bytes, as the manual recommends. */
const NOPS = [
  [0x90],
  [0x66, 0x90],
  [0x0f, 0x1f, 0x00],
  [0x0f, 0x1f, 0x40, 0],
  [0x0f, 0x1f, 0x44, 0, 0],
  [0x66, 0x0f, 0x1f, 0x44, 0, 0],
  [0x0f, 0x1f, 0x80, 0, 0, 0, 0],
  [0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
  [0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
];

export class IntegerAssembler extends Encoder {
  mov(dst: Gp, src: Gp): void {
    this.legacy(0x89, src.gp, dst, true);
  }

  /** Any 64-bit value, signed or unsigned, in the shortest form. */
  movImm(dst: Gp, value: number | bigint): void {
    const bits = BigInt.asUintN(64, BigInt(value));
    if (bits < 1n << 32n) this.legacyShort(0xb8, dst, false, littleEndian(bits, 4));
    else if (bits >= 0xffff_ffff_8000_0000n) this.legacy(0xc7, 0, dst, true, Number(bits & 0xffff_ffffn), 4);
    else this.legacyShort(0xb8, dst, true, littleEndian(bits, 8));
  }

  load64(dst: Gp, src: Mem): void {
    this.legacy(0x8b, dst.gp, src, true);
  }

  /** The upper half becomes zero. */
  load32(dst: Gp, src: Mem): void {
    this.legacy(0x8b, dst.gp, src, false);
  }

  /** Extends the sign. */
  loadS32(dst: Gp, src: Mem): void {
    this.legacy(0x63, dst.gp, src, true);
  }

  store64(dst: Mem, src: Gp): void {
    this.legacy(0x89, src.gp, dst, true);
  }

  store32(dst: Mem, src: Gp): void {
    this.legacy(0x89, src.gp, dst, false);
  }

  add(dst: Gp, src: Gp | number): void {
    this.#arithmetic(0, dst, src);
  }

  or(dst: Gp, src: Gp | number): void {
    this.#arithmetic(1, dst, src);
  }

  and(dst: Gp, src: Gp | number): void {
    this.#arithmetic(4, dst, src);
  }

  sub(dst: Gp, src: Gp | number): void {
    this.#arithmetic(5, dst, src);
  }

  xor(dst: Gp, src: Gp | number): void {
    this.#arithmetic(6, dst, src);
  }

  cmp(dst: Gp, src: Gp | number): void {
    this.#arithmetic(7, dst, src);
  }

  addMem(dst: Gp, src: Mem): void {
    this.legacy(0x03, dst.gp, src, true);
  }

  cmpMem(dst: Gp, src: Mem): void {
    this.legacy(0x3b, dst.gp, src, true);
  }

  test(a: Gp, b: Gp): void {
    this.legacy(0x85, b.gp, a, true);
  }

  imul(dst: Gp, src: Gp): void {
    this.legacy(0x0faf, dst.gp, src, true);
  }

  imulImm(dst: Gp, src: Gp, imm: number): void {
    if (isInt8(imm)) this.legacy(0x6b, dst.gp, src, true, byte(imm), 1);
    else this.legacy(0x69, dst.gp, src, true, int32(imm), 4);
  }

  lea(dst: Gp, src: Mem): void {
    this.legacy(0x8d, dst.gp, src, true);
  }

  leaLabel(dst: Gp, label: Label): void {
    this.lea(dst, memLabel(label));
  }

  shl(dst: Gp, count: number): void {
    this.#shift(4, dst, count);
  }

  shr(dst: Gp, count: number): void {
    this.#shift(5, dst, count);
  }

  sar(dst: Gp, count: number): void {
    this.#shift(7, dst, count);
  }

  inc(dst: Gp): void {
    this.legacy(0xff, 0, dst, true);
  }

  dec(dst: Gp): void {
    this.legacy(0xff, 1, dst, true);
  }

  push(src: Gp): void {
    this.legacyShort(0x50, src, false);
  }

  pop(dst: Gp): void {
    this.legacyShort(0x58, dst, false);
  }

  ret(): void {
    this.data([0xc3]);
  }

  jmp(label: Label): void {
    this.relative(0xe9, label);
  }

  jcc(condition: Condition, label: Label): void {
    this.relative(0x0f80 | CONDITIONS[condition], label);
  }

  prefetchnta(src: Mem): void {
    this.legacy(0x0f18, 0, src, false);
  }

  prefetcht0(src: Mem): void {
    this.legacy(0x0f18, 1, src, false);
  }

  prefetcht1(src: Mem): void {
    this.legacy(0x0f18, 2, src, false);
  }

  cpuid(): void {
    this.data([0x0f, 0xa2]);
  }

  xgetbv(): void {
    this.data([0x0f, 0x01, 0xd0]);
  }

  vzeroupper(): void {
    this.data([0xc5, 0xf8, 0x77]);
  }

  /** `size` bytes that do nothing, at least 1. */
  nop(size: number): void {
    for (; size > 0; size -= Math.min(size, 9)) this.data(NOPS[Math.min(size, 9) - 1]);
  }

  /** Fills up to a multiple of `size` with no-operations. Counts from the code's start, which the mapping aligns to a page. */
  align(size: number): void {
    this.nop((size - (this.offset % size)) % size);
  }

  /** The eight operations whose opcodes differ in one digit. */
  #arithmetic(digit: number, dst: Gp, src: Gp | number): void {
    if (typeof src !== 'number') this.legacy((digit << 3) | 1, src.gp, dst, true);
    else if (isInt8(src)) this.legacy(0x83, digit, dst, true, byte(src), 1);
    else if (dst.gp === 0) this.data([0x48, (digit << 3) | 5, ...littleEndian(int32(src), 4)]);
    else this.legacy(0x81, digit, dst, true, int32(src), 4);
  }

  #shift(digit: number, dst: Gp, count: number): void {
    if (!(count >= 0 && count < 64)) throw new Error(`a shift by ${count}`);
    if (count === 1) this.legacy(0xd1, digit, dst, true);
    else this.legacy(0xc1, digit, dst, true, byte(count), 1);
  }
}

function isInt8(value: number): boolean {
  return value >= -128 && value <= 127;
}

function littleEndian(value: number | bigint, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n));
}
