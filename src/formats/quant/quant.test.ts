import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteLength, DTYPES, type DType } from '../../tensor/dtype.js';
import { toHalf } from './half.js';
import { dequantizeTensor, exactTarget, QUANT, quantizeTensor, reencode } from './index.js';

const types = Object.keys(DTYPES) as DType[];
const writable = types.filter((type) => QUANT[type].quantize);

describe('dequantize, blocks computed by hand', () => {
  // Halves: 0x3800 is 0.5, 0x3c00 is 1, 0xbc00 is -1, 0x3400 is 0.25.
  it('q8_0', () => {
    const block = bytesOf(34, { 0: 0x00, 1: 0x38, 2: 127, 3: 0x80, 33: 0xff });
    expect(values('q8_0', block, [0, 1, 2, 31])).toEqual([63.5, -64, 0, -0.5]);
  });

  it('q4_0: low halves are the first sixteen', () => {
    const block = bytesOf(18, { 1: 0xbc, 2: 0xf0, 17: 0x19 }, 0x88);
    block[0] = 0;
    expect(values('q4_0', block, [0, 1, 15, 16, 31])).toEqual([8, -0, -1, -7, 7]);
  });

  it('q4_1', () => {
    const block = bytesOf(20, { 1: 0x38, 3: 0xbc, 4: 0x2f });
    expect(values('q4_1', block, [0, 1, 16])).toEqual([6.5, -1, 0]);
  });

  it('q5_0 and q5_1: element i has its fifth bit in bit i', () => {
    const block = bytesOf(22, { 1: 0x3c, 2: 1, 5: 0x80, 6: 0x05, 21: 0x70 });
    expect(values('q5_0', block, [0, 1, 16, 31])).toEqual([5, -16, -16, 7]);
    const shifted = bytesOf(24, { 1: 0x3c, 3: 0x38, 4: 1, 7: 0x80, 8: 0x05, 23: 0x70 });
    expect(values('q5_1', shifted, [0, 1, 16, 31])).toEqual([21.5, 0.5, 0.5, 23.5]);
  });

  it('q2_k', () => {
    // Sub-block 3 (elements 48 to 63): bits 2 and 3 of bytes 16 to 31; sub-block 12: bits 4 and 5 of the second half.
    const block = bytesOf(84, { 3: 0x25, 12: 0x0f, 32: 0x0c, 48: 0x20, 81: 0x38, 83: 0x34 });
    expect(values('q2_k', block, [48, 49, 192, 193, 0])).toEqual([7, -0.5, 15, 0, 0]);
  });

  it('q3_k', () => {
    // Sub-block 13: low scale bits in the upper half of byte 5 of the scales, high ones in bits 6 and 7 of byte 9.
    const block = bytesOf(110, { 16: 0x40, [32 + 48]: 0x30, [96 + 5]: 0x70, [96 + 9]: 0x80, 109: 0x38 });
    expect(values('q3_k', block, [208, 209, 0])).toEqual([0.5 * 7 * 3, 0.5 * 7 * -4, 0.5 * -32 * -4]);
  });

  it('q4_k', () => {
    // Sub-block 6: scale 0x25, minimum 0x1a; its quants are the low halves of the last 32 bytes.
    const block = bytesOf(144, { 1: 0x38, 3: 0x34, 6: 0x80, 10: 0x40, 14: 0xa5, 112: 0x3c });
    expect(values('q4_k', block, [192, 193, 224])).toEqual([0.5 * 0x25 * 12 - 6.5, -6.5, 0]);
  });

  it('q5_k', () => {
    const block = bytesOf(176, { 1: 0x38, 3: 0x34, 5: 3, 9: 4, 16: 2, 48: 0x70 });
    expect(values('q5_k', block, [32, 33, 0])).toEqual([0.5 * 3 * 23 - 1, -1, 0]);
  });

  it('q6_k', () => {
    // Element 128 + 96 + 17 lies in sub-block 15: high half of low byte 64 + 32 + 17, top bits of high byte 32 + 17.
    const block = bytesOf(210, { [64 + 49]: 0xa0, [128 + 49]: 0xc0, [192 + 15]: 0xfe, 209: 0x38 });
    expect(values('q6_k', block, [241, 242, 0])).toEqual([0.5 * -2 * (0x3a - 32), 32, -0]);
  });
});

describe('quantize', () => {
  it('comes within the step of each format', () => {
    // Of the largest magnitude in a block; a little above half a step for the searched formats.
    const bound: Partial<Record<DType, number>> = {
      f32: 0,
      f16: 2 ** -11,
      bf16: 2 ** -8,
      q8_0: 0.0042,
      q4_0: 0.126,
      q4_k: 0.16,
      q6_k: 0.05,
    };
    fc.assert(
      fc.property(blockOfNumbers(), fc.constantFrom(...writable), (x, type) => {
        const y = roundTrip(type, x);
        const { block } = DTYPES[type];
        // A scale too small for a normal f16 is off by up to 2^-25, and a quant of 127 by as many times that.
        const smallest = 127 * 2 ** -25;
        for (let first = 0; first < x.length; first += block) {
          const largest = Math.max(...x.subarray(first, first + block).map(Math.abs));
          for (let i = first; i < first + block; i++)
            expect(Math.abs(y[i] - x[i])).toBeLessThanOrEqual(bound[type]! * largest + smallest);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('keeps values that are on the grid already', () => {
    fc.assert(
      fc.property(blockOfNumbers(), fc.constantFrom('q8_0' as const, 'q4_0' as const), (x, type) => {
        const once = roundTrip(type, x);
        const twice = roundTrip(type, once);
        expect(twice.every((value, i) => value === once[i])).toBe(true); // 0 may change its sign
      }),
      { numRuns: 100 },
    );
  });

  it('has the error on normal data that the K formats are known for', () => {
    const x = gaussian(64 * 256);
    expect(rmse(x, roundTrip('q4_k', x))).toBeLessThan(0.078);
    expect(rmse(x, roundTrip('q6_k', x))).toBeLessThan(0.019);
    expect(rmse(x, roundTrip('q8_0', x))).toBeLessThan(0.006);
    expect(rmse(x, roundTrip('q4_0', x))).toBeLessThan(0.09);
  });

  it('takes constant, zero and huge blocks', () => {
    for (const type of ['q8_0', 'q4_0', 'q4_k', 'q6_k'] as const) {
      expect(roundTrip(type, new Float32Array(256)).every((v) => v === 0)).toBe(true);
      for (const value of [3, -3]) {
        const y = roundTrip(type, new Float32Array(256).fill(value));
        for (const v of y) expect(Math.abs(v - value)).toBeLessThan(0.06);
      }
      expect(roundTrip(type, new Float32Array(256).fill(1e30)).every(Number.isFinite)).toBe(true);
    }
  });

  it('rounds halves to nearest even and overflows to infinity', () => {
    expect([0, -0, 1, 65504, 65519.996, 65520, -1e9, 2 ** -24, 2 ** -25, 3 * 2 ** -25].map(toHalf)).toEqual([
      0, 0x8000, 0x3c00, 0x7bff, 0x7bff, 0x7c00, 0xfc00, 1, 0, 2,
    ]);
    const all = new Uint8Array(new Uint16Array(65536).map((_, i) => ((i & 0x7fff) > 0x7c00 ? 0 : i)).buffer);
    const values = new Float32Array(65536);
    const back = new Uint8Array(all.length);
    dequantizeTensor('f16', all, values);
    quantizeTensor('f16', values, back);
    expect(back).toEqual(all);
  });
});

describe('reencode', () => {
  it('changes no value, whatever the bytes', () => {
    for (const type of types) {
      const { block, bytes } = DTYPES[type];
      const blocks = Math.max(1, 512 / block);
      fc.assert(
        fc.property(fc.uint8Array({ minLength: blocks * bytes, maxLength: blocks * bytes }), (stored) => {
          const target = exactTarget(type);
          const held = new Uint8Array(byteLength(target, blocks * block));
          reencode(type, stored, held);
          const expected = new Float32Array(blocks * block);
          const actual = new Float32Array(blocks * block);
          dequantizeTensor(type, stored, expected);
          dequantizeTensor(target, held, actual);
          expect(actual).toEqual(expected);
        }),
        { numRuns: 20 },
      );
    }
  });

  it('refuses lengths that do not belong together', () => {
    expect(() => dequantizeTensor('q8_0', new Uint8Array(33), new Float32Array(32))).toThrow(RangeError);
    expect(() => quantizeTensor('q4_1', new Float32Array(32), new Uint8Array(20))).toThrow('read only');
  });
});

function bytesOf(length: number, set: Record<number, number>, fill = 0): Uint8Array {
  const bytes = new Uint8Array(length).fill(fill);
  for (const [at, value] of Object.entries(set)) bytes[Number(at)] = value;
  return bytes;
}

function values(type: DType, bytes: Uint8Array, at: number[]): number[] {
  const out = new Float32Array(DTYPES[type].block);
  dequantizeTensor(type, bytes, out);
  return at.map((i) => out[i]);
}

function roundTrip(type: DType, x: Float32Array): Float32Array {
  const bytes = new Uint8Array(byteLength(type, x.length));
  const y = new Float32Array(x.length);
  quantizeTensor(type, x, bytes);
  dequantizeTensor(type, bytes, y);
  return y;
}

function blockOfNumbers(): fc.Arbitrary<Float32Array> {
  return fc
    .tuple(
      fc.float32Array({ minLength: 256, maxLength: 256, min: -8, max: 8, noNaN: true }),
      fc.double({ min: -3, max: 3, noNaN: true }),
    )
    .map(([x, exponent]) => x.map((v) => v * 10 ** exponent));
}

function gaussian(n: number): Float32Array {
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return new Float32Array(n).map(() => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
}

function rmse(x: Float32Array, y: Float32Array): number {
  return Math.sqrt(x.reduce((sum, v, i) => sum + (v - y[i]) ** 2, 0) / x.length);
}
