/**
 * Machine code that makes 8-bit activations: blocks of 32 with the sums that products want beside them
 * (ops/layout-constants.ts), bit for bit what kernels/quantize.ts makes of finite values.
 */
import { type Assembler, type Gp, mem, r8, r9, r10, type Vec, xmm, ymm, zmm } from './assembler.js';
import { bitsOf, Constants, words16 } from './constants.js';
import { enter, leave, loadArg, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { QuantizeArgs } from './kernels.js';
import { reduceLanes } from './lanes.js';
import { prepareFour, quantizeFour } from './quantize4.js';

const COLUMNS = 32;
const BLOCK_BYTES = 64;
/** Bytes: what lies behind a page is not fetched unless asked for. */
const AHEAD = 4096;

/** Emits `void (memory, args)` with QuantizeArgs. */
export function quantizeBlocks(a: Assembler, isa: Isa): void {
  const constants = new Constants(a, isa);
  const [from, to, count] = [r8, r9, r10];
  enter(a);
  loadPointer(a, from, QuantizeArgs.x);
  loadPointer(a, to, QuantizeArgs.to);
  loadArg(a, count, QuantizeArgs.blocks);
  quantizeLoop(a, isa, constants, from, to, count, true);
  leave(a);
  constants.place();
}

/**
 * `count` blocks, at least one, of f32 at `from` become blocks at `to`; all three move on. Vectors 9 to 11 stay as they are,
 * others and masks 1 and 2 are overwritten. `far`: the f32 are not in the first-level cache.
 */
export function quantizeLoop(
  a: Assembler,
  isa: Isa,
  constants: Constants,
  from: Gp,
  to: Gp,
  count: Gp,
  far = false,
): void {
  const [rest, done] = [a.label(), a.label()];
  if (isa.bits === 512) {
    const four = a.label();
    a.sub(count, 4);
    a.jcc('l', rest);
    prepareFour(a, constants);
    a.bind(four);
    if (far) for (let line = 0; line < 512; line += 64) a.prefetcht0(mem(from, AHEAD + line));
    quantizeFour(a, constants, from, to);
    a.add(from, 4 * 4 * COLUMNS);
    a.add(to, 4 * BLOCK_BYTES);
    a.sub(count, 4);
    a.jcc('ge', four);
    a.bind(rest);
    a.add(count, 4);
    a.jcc('z', done);
  }
  const loop = a.label();
  a.bind(loop);
  quantizeOne(a, isa, constants, from, to);
  a.add(from, 4 * COLUMNS);
  a.add(to, BLOCK_BYTES);
  a.dec(count);
  a.jcc('nz', loop);
  a.bind(done);
}

function quantizeOne(a: Assembler, isa: Isa, constants: Constants, from: Gp, to: Gp): void {
  const values = Array.from({ length: (32 * COLUMNS) / isa.bits }, (_, i) => (isa.bits === 512 ? zmm : ymm)(i));
  values.forEach((value, i) => {
    a.vmovups(value, mem(from, i * (isa.bits / 8)));
  });
  const scales = xmm(5);
  const bytes = ymm(6);
  stepSizes(a, constants, values, scales);
  toBytes(a, constants, values, scales, bytes);
  a.vmovups(mem(to), bytes);
  sums(a, constants, scales, bytes, to);
}

/** `scales`: the largest magnitude / 127, minus that, and twice 127 / the largest; zeros if that is below 1e-30. */
function stepSizes(a: Assembler, constants: Constants, values: readonly Vec[], scales: Vec): void {
  const like = (n: number): Vec => ({ n, bits: values[0].bits });
  const [largest, spare] = [like(4), like(6)];
  // As integers, magnitudes keep their order, infinity comes after them and NaN last.
  values.forEach((value, i) => {
    a.vpand(i ? spare : largest, value, constants.words(0x7fffffff));
    if (i) a.vpmaxsd(largest, largest, spare);
  });
  reduceLanes(a, largest, spare, (dst, left, right) => a.vpmaxsd(dst, left, right));
  const [top, bottom, mask] = [4, 6, 7].map(xmm);
  a.vmovups(mask, constants.of(127));
  a.vblendps(bottom, top, mask, 0b0011);
  a.vblendps(scales, top, mask, 0b1100);
  a.vdivps(scales, scales, bottom);
  a.vpcmpgtd(mask, top, constants.words(bitsOf(1e-30) - 1));
  a.vpand(scales, scales, mask);
  a.vpxor(scales, scales, constants.words(0, 1 << 31, 0, 0));
}

/** `bytes`: the values divided by the step, to the nearest integer, ties to even. */
function toBytes(a: Assembler, constants: Constants, values: readonly Vec[], scales: Vec, bytes: Vec): void {
  const inverse: Vec = { n: 4, bits: values[0].bits };
  a.vpermilps(xmm(4), scales, 0b10_10_10_10);
  a.vbroadcastss(inverse, xmm(4));
  for (const value of values) {
    a.vmulps(value, value, inverse);
    a.vcvtps2dq(value, value);
  }
  if (values.length === 2) {
    a.vpmovsdb(xmm(bytes.n), values[0]);
    a.vpmovsdb(xmm(7), values[1]);
    a.vinserti128(bytes, bytes, xmm(7), 1);
  } else {
    a.vpackssdw(values[0], values[0], values[1]);
    a.vpackssdw(values[2], values[2], values[3]);
    a.vpacksswb(values[0], values[0], values[2]);
    // Packing leaves columns 4 i to 4 i + 3 in the order of 128-bit halves.
    a.vmovups(bytes, constants.words(0, 4, 1, 5, 2, 6, 3, 7));
    a.vpermd(bytes, bytes, values[0]);
  }
}

/** The 32 bytes behind the integers. Pairs are [Σ columns 4j and 4j + 1, Σ columns 4j + 2 and 4j + 3], 16 bits each. */
function sums(a: Assembler, constants: Constants, scales: Vec, bytes: Vec, to: Gp): void {
  const pairs = ymm(7);
  const spread = ymm(8);
  a.vmovups(pairs, constants.words(0x01010101));
  a.vpmaddubsw(pairs, pairs, bytes);
  for (const order of [0b01_00_11_10, 0b10_11_00_01]) {
    a.vpshufd(spread, pairs, order);
    a.vpaddw(pairs, pairs, spread);
  }
  const [low, high, both, whole, floats] = [7, 8, 0, 1, 2].map(xmm);
  a.vextracti128(high, pairs, 1);
  a.vpaddw(both, low, high);
  // Scale, −scale × sum, −128 × sum, −8 × pair.
  a.vpmaddwd(whole, both, constants.words(0, 0x00010001, words16(-128), 0));
  a.vcvtdq2ps(floats, whole);
  a.vpor(floats, floats, constants.words(bitsOf(1), 0, 0, 0));
  a.vmulps(floats, floats, scales);
  a.vpmullw(both, both, constants.words(words16(-8)));
  a.vblendps(whole, whole, floats, 0b0011);
  a.vblendps(whole, whole, both, 0b1000);
  a.vmovups(mem(to, 32), whole);
  // Of the columns up to 15 and from 16 on: −32 × pairs, −32 × sums.
  a.vunpcklps(low, low, high);
  a.vpmullw(high, low, constants.words(words16(-32)));
  a.vpmaddwd(low, low, constants.words(words16(-32)));
  a.vblendps(low, low, high, 0b0011);
  a.vmovups(mem(to, 48), low);
}
