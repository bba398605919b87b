import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KaiwenError } from '../errors.js';
import { RandomAccessFile } from './file.js';
import { parseSafetensors, readSafetensors } from './safetensors.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-safetensors-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function save(bytes: Uint8Array): string {
  const path = join(folder, 'test.safetensors');
  writeFileSync(path, bytes);
  return path;
}

function build(header: unknown, data = new Uint8Array(0)): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

function parse(bytes: Uint8Array) {
  const file = new RandomAccessFile(save(bytes));
  try {
    return parseSafetensors(file);
  } finally {
    file.close();
  }
}

const f32 = (shape: unknown, from: number, to: number) => ({ dtype: 'F32', shape, data_offsets: [from, to] });

describe('readSafetensors', () => {
  it('gives the values of every type a tool reads', () => {
    const data = new Uint8Array(30);
    const view = new DataView(data.buffer);
    view.setFloat32(0, 1.5, true);
    view.setFloat32(4, -2, true);
    view.setBigInt64(8, -3n, true);
    view.setInt32(16, 7, true);
    view.setUint16(20, 0x3fc0, true); // bf16 1.5
    view.setUint16(22, 0x3e00, true); // f16 1.5
    view.setUint16(24, 0x0001, true); // f16, smallest subnormal
    view.setUint16(26, 0xfc00, true); // f16 -infinity
    view.setUint16(28, 0xbc00, true); // f16 -1
    const tensors = readSafetensors(
      save(
        build(
          {
            __metadata__: { format: 'pt' },
            a: f32([2, 1], 0, 8),
            b: { dtype: 'I64', shape: [1], data_offsets: [8, 16] },
            c: { dtype: 'I32', shape: [], data_offsets: [16, 20] },
            d: { dtype: 'BF16', shape: [1], data_offsets: [20, 22] },
            e: { dtype: 'F16', shape: [4], data_offsets: [22, 30] },
          },
          data,
        ),
      ),
    );
    expect(tensors.get('a')).toEqual({ dtype: 'F32', shape: [2, 1], data: Float32Array.of(1.5, -2) });
    expect(tensors.get('b')!.data).toEqual(BigInt64Array.of(-3n));
    expect(tensors.get('c')!.data).toEqual(Int32Array.of(7));
    expect(tensors.get('d')!.data).toEqual(Float32Array.of(1.5));
    expect(tensors.get('e')!.data).toEqual(Float32Array.of(1.5, 2 ** -24, -Infinity, -1));
  });

  it('returns what was written, for any shapes', () => {
    const shape = fc.array(fc.nat(5), { maxLength: 4 });
    const name = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((name) => name !== '__metadata__');
    fc.assert(
      fc.property(fc.dictionary(name, shape, { maxKeys: 6 }), (shapes) => {
        const header: Record<string, unknown> = Object.create(null);
        let end = 0;
        for (const [name, shape] of Object.entries(shapes)) {
          const bytes = 4 * shape.reduce((a, b) => a * b, 1);
          header[name] = f32(shape, end, (end += bytes));
        }
        const { entries } = parse(build(header, new Uint8Array(end)));
        expect([...entries].map(([name, { shape }]) => [name, shape])).toEqual(Object.entries(shapes));
      }),
      { numRuns: 50 },
    );
  });
});

describe('a hostile safetensors header', () => {
  const four = new Uint8Array(4);
  const cases: [string, Uint8Array, RegExp][] = [
    ['is empty', new Uint8Array(0), /truncated/],
    ['ends within the length', Uint8Array.of(1, 0, 0), /truncated/],
    ['announces an absurd length', new Uint8Array(16).fill(255), /not a safetensors file/],
    ['announces more than there is', build('{}').fill(100, 0, 1), /truncated/],
    ['is no JSON', build('{"a"'), /no JSON/],
    ['is no UTF-8', Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0x22, 0xff), /no JSON/],
    ['is a list', build([]), /no JSON object/],
    ['nests deeply', build('['.repeat(100_000)), /no JSON/],
    ['has a tensor that is no object', build({ a: 1 }), /'a' is no object/],
    ['has an unknown type', build({ a: { dtype: 'Q4', shape: [1], data_offsets: [0, 4] } }, four), /unknown type Q4/],
    ['has a negative size', build({ a: f32([-1], 0, 4) }, four), /no list of sizes/],
    ['has a fractional size', build({ a: f32([0.5], 0, 4) }, four), /no list of sizes/],
    ['has sizes whose product overflows', build({ a: f32([2 ** 40, 2 ** 40], 0, 4) }, four), /has 4\.8/],
    ['has sizes whose product wraps to nothing', build({ a: f32([2 ** 32, 2 ** 32, 0], 0, 4) }, four), /4 bytes, but/],
    ['has offsets in the wrong order', build({ a: f32([1], 4, 0) }, four), /no range/],
    ['has bytes that are not the shape', build({ a: f32([2], 0, 4) }, four), /4 bytes, but F32 \[2\] has 8/],
    ['has a tensor beyond the end', build({ a: f32([2], 0, 8) }, four), /truncated/],
    ['has overlapping tensors', build({ a: f32([1], 0, 4), b: f32([1], 0, 4) }, four), /overlaps/],
    ['has a hole', build({ a: f32([1], 4, 8) }, new Uint8Array(8)), /belong to no tensor/],
    ['leaves bytes at the end', build({ a: f32([1], 0, 4) }, new Uint8Array(8)), /4 bytes at its end/],
  ];
  it.each(cases)('that %s is refused', (_, bytes, message) => {
    expect(() => parse(bytes)).toThrow(KaiwenError);
    expect(() => parse(bytes)).toThrow(message);
  });

  it('never does worse than an error, whichever byte is changed or where it is cut', () => {
    const good = build({ __metadata__: { a: 'b' }, x: f32([2, 3], 0, 24), y: f32([2], 24, 32) }, new Uint8Array(32));
    for (let at = 0; at < good.length - 32; at++) {
      for (const flip of [1, 0x80]) {
        const bad = good.slice();
        bad[at]! ^= flip;
        onlyKaiwenErrors(() => parse(bad));
      }
      onlyKaiwenErrors(() => parse(good.subarray(0, at)));
    }
  });
});

function onlyKaiwenErrors(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof KaiwenError)) throw error;
  }
}
