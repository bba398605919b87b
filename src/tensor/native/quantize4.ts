/**
 * Four blocks of 8-bit activations at a time, in 512-bit vectors: what quantize.ts does to one, bit for bit. The steps after
 * each other in one block are a long chain; side by side, four share most of them.
 */
import { type Assembler, type Gp, mem, type Vec, zmm } from './assembler.js';
import { bitsOf, type Constants, words16 } from './constants.js';

/** Where a block's scale and offset lie in a vector of two blocks' sums. */
const FLOATS = 2;
const NOT_LESS = 5;
const GREATER = 14;

/** Sets the mask that quantizeFour needs. */
export function prepareFour(a: Assembler, constants: Constants): void {
  a.vmovups(zmm(0), constants.words(bitsOf(1), bitsOf(1), 0, 0, 0, 0, 0, 0));
  a.vcmpps(FLOATS, zmm(0), constants.of(0.5), GREATER);
}

/** 128 f32 at `from` to four blocks at `to`. */
export function quantizeFour(a: Assembler, constants: Constants, from: Gp, to: Gp): void {
  const scales = zmm(8);
  const value = (block: number, half: number) => mem(from, 128 * block + 64 * half);
  stepSizes(a, constants, value, scales);
  const bytes = [zmm(12), zmm(13)];
  toBytes(a, constants, value, scales, bytes);
  sums(a, constants, scales, bytes, to);
}

type Value = (block: number, half: number) => ReturnType<typeof mem>;

/** The 128 bits of each block: the largest magnitude / 127, minus that, and twice 127 / the largest; zeros if that is below 1e-30. */
function stepSizes(a: Assembler, constants: Constants, value: Value, scales: Vec): void {
  const [z0, z1, z2, , z4, z5, z6, z7] = Array.from({ length: 8 }, (_, i) => zmm(i));
  const mask = zmm(31);
  // As integers, magnitudes keep their order, infinity comes after them and NaN last.
  a.vmovups(mask, constants.words(0x7fffffff));
  for (let block = 0; block < 4; block++) {
    a.vpand(zmm(block), mask, value(block, 0));
    a.vpand(zmm(4 + block), mask, value(block, 1));
  }
  for (let block = 0; block < 4; block++) a.vpmaxsd(zmm(block), zmm(block), zmm(4 + block));
  // 16 magnitudes of each block become 8, then 4: of block b in lane b.
  a.vshuff32x4(z4, z0, z1, 0x44);
  a.vshuff32x4(z5, z0, z1, 0xee);
  a.vshuff32x4(z6, z2, zmm(3), 0x44);
  a.vshuff32x4(z7, z2, zmm(3), 0xee);
  a.vpmaxsd(z0, z4, z5);
  a.vpmaxsd(z1, z6, z7);
  a.vshuff32x4(z4, z0, z1, 0x88);
  a.vshuff32x4(z5, z0, z1, 0xdd);
  a.vpmaxsd(z0, z4, z5);
  for (const order of [0b01_00_11_10, 0b10_11_00_01]) {
    a.vpshufd(z4, z0, order);
    a.vpmaxsd(z0, z0, z4);
  }
  a.vmovups(z4, constants.of(127));
  a.vshufps(z1, z0, z4, 0);
  a.vshufps(z2, z4, z0, 0);
  a.vcmpps(1, z0, constants.of(1e-30), NOT_LESS);
  a.vdivps(scales, z1, z2, { k: 1, zero: true });
  a.vpxor(scales, scales, constants.words(0, 1 << 31, 0, 0));
}

/** `bytes`: the integers of two blocks each. */
function toBytes(a: Assembler, constants: Constants, value: Value, scales: Vec, bytes: readonly Vec[]): void {
  const quotients = Array.from({ length: 8 }, (_, i) => zmm(16 + i));
  a.vpshufd(zmm(1), scales, 0b10_10_10_10);
  for (let block = 0; block < 4; block++) a.vshuff32x4(zmm(2 + block), zmm(1), zmm(1), 0x55 * block);
  quotients.forEach((quotient, i) => {
    a.vmulps(quotient, zmm(2 + (i >> 1)), value(i >> 1, i & 1));
  });
  for (const quotient of quotients) a.vcvtps2dq(quotient, quotient);
  for (let i = 0; i < 8; i += 2) a.vpackssdw(quotients[i], quotients[i], quotients[i + 1]);
  // Packing leaves columns 4 i to 4 i + 3 in the order of 128-bit parts.
  const order = zmm(1);
  a.vmovups(order, constants.words(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  bytes.forEach((pair, i) => {
    const packed = quotients[4 * i];
    a.vpacksswb(packed, packed, quotients[4 * i + 2]);
    a.vpermd(pair, order, packed);
  });
}

/** Adds scale and sums to the integers and stores the blocks. */
function sums(a: Assembler, constants: Constants, scales: Vec, bytes: readonly Vec[], to: Gp): void {
  const [parts, whole, spare] = [zmm(0), zmm(1), zmm(2)];
  a.vmovups(spare, constants.words(0x01010101));
  a.vpmaddubsw(zmm(14), spare, bytes[0]);
  a.vpmaddubsw(zmm(15), spare, bytes[1]);
  // Lanes: block 0 or 2 up to column 15 and from 16 on, block 1 or 3; 32 bits are the pairs of the first, then of the second.
  a.vpunpckldq(parts, zmm(14), zmm(15));
  a.vpunpckhdq(spare, zmm(14), zmm(15));
  a.vpaddw(parts, parts, spare);
  a.vpshufd(spare, parts, 0b01_00_11_10);
  a.vpaddw(parts, parts, spare);
  a.vshuff32x4(whole, parts, parts, 0b10_11_00_01);
  a.vpaddw(whole, whole, parts);
  for (let i = 0; i < 2; i++) {
    const [words, products, floats, steps, index] = [16, 17, 18, 19, 20].map((n) => zmm(n + 5 * i));
    const [w, b] = [16 + i, i];
    a.vmovups(
      index,
      constants.words(w, w, w, w, b, b + 4, b, b + 4, w + 8, w + 8, w + 8, w + 8, b + 8, b + 12, b + 8, b + 12),
    );
    a.vmovups(words, parts);
    a.vpermt2d(words, index, whole);
    // Scale, −scale × sum, −128 × sum, −8 × pair; of the columns up to 15 and from 16 on: −32 × pairs, −32 × sums.
    a.vpmaddwd(products, words, constants.words(0, 0x00010001, words16(-128), 0, 0, 0, words16(-32), words16(-32)));
    a.vpmullw(words, words, constants.words(0, 0, 0, words16(-8), words16(-32), words16(-32), 0, 0));
    a.vcvtdq2ps(floats, products);
    a.vpor(words, words, products);
    a.vpor(floats, floats, constants.words(bitsOf(1), 0, 0, 0, 0, 0, 0, 0));
    a.vshuff32x4(steps, scales, scales, i ? 0b11_11_10_10 : 0b01_01_00_00);
    a.vmulps(words, floats, steps, { k: FLOATS });
    a.vshuff32x4(floats, bytes[i], words, 0x44);
    a.vshuff32x4(steps, bytes[i], words, 0xee);
    a.vmovups(mem(to, 128 * i), floats);
    a.vmovups(mem(to, 128 * i + 64), steps);
  }
}
