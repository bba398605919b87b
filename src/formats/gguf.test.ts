import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KaiwenError } from '../errors.js';
import { byteLength, DTYPES, type DType } from '../tensor/dtype.js';
import { RandomAccessFile } from './file.js';
import { GGUF_TYPES, parseGguf } from './gguf.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-gguf-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function parse(bytes: Uint8Array, vocabulary = true) {
  const path = join(folder, 'test.gguf');
  writeFileSync(path, bytes);
  const file = new RandomAccessFile(path);
  try {
    return parseGguf(file, vocabulary);
  } finally {
    file.close();
  }
}

/** Bytes by hand, so that a header can say anything. */
const u32 = (...values: number[]): number[] => [...new Uint8Array(Uint32Array.from(values).buffer)];
const u64 = (value: number | bigint): number[] => [...new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)];
const str = (text: string): number[] => {
  const bytes = new TextEncoder().encode(text);
  return [...u64(bytes.length), ...bytes];
};
const T = GGUF_TYPES;
const pair = (key: string, type: number, ...value: number[]): number[] => [...str(key), ...u32(type), ...value];
const tensor = (name: string, shape: number[], type: number, offset: number): number[] => [
  ...str(name),
  ...u32(shape.length),
  ...shape.toReversed().flatMap(u64),
  ...u32(type),
  ...u64(offset),
];

interface Parts {
  magic?: number[];
  version?: number;
  pairs?: number[][];
  tensors?: number[][];
  pairCount?: number | bigint;
  tensorCount?: number | bigint;
  data?: number;
}

function build({ magic, version = 3, pairs = [], tensors = [], pairCount, tensorCount, data = 0 }: Parts): Uint8Array {
  const header = [
    ...(magic ?? [0x47, 0x47, 0x55, 0x46]),
    ...u32(version),
    ...u64(tensorCount ?? tensors.length),
    ...u64(pairCount ?? pairs.length),
    ...pairs.flat(),
    ...tensors.flat(),
  ];
  const start = Math.ceil(header.length / 32) * 32;
  const bytes = new Uint8Array(data > 0 ? start + data : header.length);
  bytes.set(header);
  return bytes;
}

describe('parseGguf', () => {
  it('reads every kind of value', () => {
    const { metadata, version } = parse(
      build({
        version: 2,
        pairs: [
          pair('u8', T.u8, 255),
          pair('i8', T.i8, 255),
          pair('u16', T.u16, 1, 2),
          pair('i16', T.i16, 254, 255),
          pair('u32', T.u32, ...u32(4e9)),
          pair('i32', T.i32, ...u32(0xffffffff)),
          pair('f32', T.f32, ...new Uint8Array(Float32Array.of(1.5).buffer)),
          pair('bool', T.bool, 1),
          pair('string', T.string, ...str('開文 <|im_end|>')),
          pair('u64', T.u64, ...u64(2 ** 40)),
          pair('u64 beyond doubles', T.u64, ...u64(2n ** 63n)),
          pair('i64', T.i64, ...u64(2n ** 64n - 1n)),
          pair('f64', T.f64, ...new Uint8Array(Float64Array.of(0.1).buffer)),
          pair('strings', T.array, ...u32(T.string), ...u64(2), ...str('a'), ...str('é')),
          pair('nested', T.array, ...u32(T.array), ...u64(1), ...u32(T.u8), ...u64(2), 3, 4),
          pair('__proto__', T.u8, 1),
        ],
      }),
    );
    expect(version).toBe(2);
    expect(Object.entries(metadata)).toEqual([
      ['u8', 255],
      ['i8', -1],
      ['u16', 513],
      ['i16', -2],
      ['u32', 4e9],
      ['i32', -1],
      ['f32', 1.5],
      ['bool', true],
      ['string', '開文 <|im_end|>'],
      ['u64', 2 ** 40],
      ['u64 beyond doubles', 2n ** 63n],
      ['i64', -1],
      ['f64', 0.1],
      ['strings', ['a', 'é']],
      ['nested', [[3, 4]]],
      ['__proto__', 1],
    ]);
  });

  it('places tensors of every type, outermost dimension first', () => {
    const types = Object.keys(DTYPES) as DType[];
    let offset = 0;
    const tensors = types.map((dtype) => {
      const bytes = tensor(dtype, [3, 256], DTYPES[dtype].gguf, offset);
      offset += Math.ceil(byteLength(dtype, 768) / 32) * 32;
      return bytes;
    });
    const header = parse(build({ tensors, data: offset }));
    for (const dtype of types) {
      expect(header.tensors.get(dtype)).toMatchObject({ dtype, shape: [3, 256], byteLength: byteLength(dtype, 768) });
    }
  });

  it('honours another alignment', () => {
    const pairs = [pair('general.alignment', T.u32, ...u32(64))];
    const bytes = build({ pairs, tensors: [tensor('a', [8], 0, 64)], data: 256 });
    expect(parse(bytes).tensors.get('a')!.offset % 64).toBe(0);
  });

  it('reads a vocabulary larger than its window, and a string larger still', () => {
    const words = Array.from({ length: 100_000 }, (_, i) => `word ${i} é`);
    const long = 'long '.repeat(300_000);
    const values = Buffer.concat([
      Uint8Array.from([...str('words'), ...u32(T.array, T.string), ...u64(words.length)]),
      ...words.map((word) => Buffer.from(`${String.fromCharCode(Buffer.byteLength(word))}\0\0\0\0\0\0\0${word}`)),
      Uint8Array.from([...str('long'), ...u32(T.string), ...u64(long.length)]),
      Buffer.from(long),
      Uint8Array.from(pair('last', T.u8, 1)),
    ]);
    const { metadata } = parse(Buffer.concat([build({ pairCount: 3 }), values]));
    expect((metadata.words as string[]).join()).toBe(words.join());
    expect(metadata.long === long).toBe(true);
    expect(metadata.last).toBe(1);
  });
});

describe('a vocabulary', () => {
  // Longer than the window through which a header is read (1 MiB), with strings that would be mistaken for two.
  const separator = '\x1c\x1d\x1e\x1f\x1f\x1e\x1d\x1d';
  const words = ['', 'Ġthe', 'a', '開文', '😀', '\0', `${separator}x`, separator.slice(0, 7), 'z'.repeat(300)];
  const strings = Array.from({ length: 40_000 }, (_, i) => `${words[i % words.length]}${i % 7 ? i : ''}`);
  const kinds = Array.from(strings, (_, i) => (i % 5) - 2);
  const write = (texts: readonly string[]) => {
    const encoded = texts.map((text) => Buffer.from(text));
    const body = encoded.flatMap((text) => [Buffer.from(u64(text.length)), text]);
    const head = (key: string, type: number) => pair(key, T.array, ...u32(type), ...u64(texts.length));
    const start = build({ pairCount: 3 });
    return Buffer.concat([
      ...[start, Buffer.from(head('texts', T.string)), ...body],
      ...[Buffer.from(head('kinds', T.i32)), Buffer.from(Int32Array.from(kinds.slice(0, texts.length)).buffer)],
      Buffer.from(pair('end', T.u8, 7)),
    ]);
  };

  it('is read whole, whatever its strings hold', () => {
    expect({ ...parse(write(strings)).metadata }).toEqual({ texts: strings, kinds, end: 7 });
    const plain = strings.filter((text) => !text.includes(separator));
    expect(parse(write(plain)).metadata.texts).toEqual(plain);
    const long = [...plain.slice(0, 100), 'y'.repeat(3 << 20), ...plain.slice(0, 100)];
    expect(parse(write(long)).metadata.texts).toEqual(long);
  });

  it('is passed over where nobody wants it', () => {
    const { metadata } = parse(
      write([...strings.slice(0, 100), 'y'.repeat(3 << 20), ...strings.slice(0, 9000)]),
      false,
    );
    expect(metadata.texts).toEqual(new Array(9101));
    expect(metadata.end).toBe(7);
  });

  it('that is cut off is refused', () => {
    expect(() => parse(write(strings).subarray(0, 600_000))).toThrow(expect.objectContaining({ code: 'bad_file' }));
  });
});

describe('a hostile GGUF header', () => {
  const a = tensor('a', [8], 0, 0);
  const cases: [string, Parts | Uint8Array, RegExp][] = [
    ['is empty', new Uint8Array(0), /truncated/],
    ['has another magic', { magic: [1, 2, 3, 4] }, /not a GGUF file/],
    ['has version 1', { version: 1 }, /version 1/],
    ['is big-endian', { version: 0x03000000 }, /big-endian/],
    ['announces absurdly many tensors', { tensorCount: 2n ** 63n }, /tensors announced/],
    ['announces absurdly many pairs', { pairCount: 2n ** 60n }, /pairs announced/],
    ['has a key of absurd length', { pairCount: 1, pairs: [[...u64(2n ** 62n), ...u64(0)]] }, /would have/],
    ['has a string of absurd length', { pairs: [pair('k', T.string, ...u64(2n ** 50n))] }, /k would have/],
    [
      'has an array of absurd length',
      { pairs: [pair('k', T.array, ...u32(T.u8), ...u64(2n ** 40n))] },
      /elements of 'k'/,
    ],
    ['has an array that wraps', { pairs: [pair('k', T.array, ...u32(T.f64), ...u64(2n ** 61n))] }, /elements of 'k'/],
    ['has an unknown value type', { pairs: [pair('k', 99, ...u64(0))] }, /unknown type 99/],
    ['has an unknown element type', { pairs: [pair('k', T.array, ...u32(99), ...u64(0))] }, /unknown type 99/],
    [
      'nests arrays deeply',
      {
        pairs: [
          pair(
            'k',
            T.array,
            ...Array(9)
              .fill([...u32(T.array), ...u64(1)])
              .flat(),
            ...u64(0),
            ...u64(0),
          ),
        ],
      },
      /nests/,
    ],
    ['repeats a key', { pairs: [pair('k', T.u32, ...u32(1)), pair('k', T.u32, ...u32(1))] }, /'k' occurs twice/],
    ['has an alignment of 3', { pairs: [pair('general.alignment', T.u32, ...u32(3))] }, /alignment is 3/],
    ['has an alignment of 0', { pairs: [pair('general.alignment', T.u32, ...u32(0))] }, /alignment is 0/],
    ['has an alignment that is text', { pairs: [pair('general.alignment', T.string, ...str('x'))] }, /alignment is x/],
    ['repeats a tensor', { tensors: [a, a], data: 64 }, /'a' occurs twice/],
    ['has no dimension', { tensors: [tensor('a', [], 0, 0)], data: 64 }, /0 dimensions/],
    ['has five dimensions', { tensors: [tensor('a', [1, 1, 1, 1, 8], 0, 0)], data: 64 }, /5 dimensions/],
    ['has a dimension of zero', { tensors: [tensor('a', [0, 8], 0, 0)], data: 64 }, /shape \[0, 8\]/],
    ['has dimensions that overflow', { tensors: [tensor('a', [2 ** 40, 2 ** 40], 0, 0)], data: 64 }, /the shape/],
    ['has an unknown type', { tensors: [tensor('a', [8], 77, 0)], data: 64 }, /'a' has the type number 77/],
    ['has a type Kaiwen lacks', { tensors: [tensor('a', [256], 23, 0)], data: 512 }, /'a' has the type IQ4_XS/],
    [
      'has rows of half a block',
      { tensors: [tensor('a', [2, 48], 8, 0)], data: 512 },
      /no whole number of q8_0 blocks/,
    ],
    ['has a misaligned tensor', { tensors: [tensor('a', [8], 0, 4)], data: 64 }, /starts at 4/],
    ['has a tensor beyond the end', { tensors: [tensor('a', [8], 0, 64)], data: 64 }, /truncated/],
    ['has an offset that wraps', { tensors: [[...a.slice(0, -8), ...u64(2n ** 64n - 32n)]], data: 64 }, /truncated/],
    [
      'has overlapping tensors',
      { tensors: [tensor('a', [16], 0, 0), tensor('b', [8], 0, 32)], data: 64 },
      /'b' overlaps/,
    ],
    ['ends before its data', { tensors: [a] }, /truncated/],
  ];
  it.each(cases)('that %s is refused', (_, parts, message) => {
    const bytes = parts instanceof Uint8Array ? parts : build(parts);
    expect(() => parse(bytes)).toThrow(KaiwenError);
    expect(() => parse(bytes)).toThrow(message);
  });

  const good = build({
    pairs: [
      pair('general.architecture', T.string, ...str('qwen3')),
      pair('list', T.array, ...u32(T.string), ...u64(2), ...str('a'), ...str('b')),
      pair('n', T.u32, ...u32(5)),
    ],
    tensors: [tensor('a', [2, 8], 0, 0), tensor('b', [32], 8, 64)],
    data: 128,
  });

  it('never does worse than an error, whichever byte is changed or where it is cut', () => {
    parse(good);
    for (let at = 0; at < good.length - 128; at++) {
      for (const flip of [1, 0x80]) {
        const bad = good.slice();
        bad[at]! ^= flip;
        onlyKaiwenErrors(() => parse(bad));
      }
      expect(() => parse(good.subarray(0, at))).toThrow(KaiwenError);
    }
  });

  it('never does worse than an error, whatever follows the magic', () => {
    const bytes = fc.uint8Array({ maxLength: 300, size: 'max' });
    fc.assert(
      fc.property(bytes, fc.nat(good.length), (noise, at) => {
        const bad = new Uint8Array(Math.max(good.length, at + noise.length));
        bad.set(good);
        bad.set(noise, at);
        onlyKaiwenErrors(() => parse(bad));
      }),
      { numRuns: 200 },
    );
  });
});

function onlyKaiwenErrors(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof KaiwenError)) throw error;
  }
}
