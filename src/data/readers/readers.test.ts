import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parse as parseCsv } from 'csv-parse/sync';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCsv } from './csv.js';
import { readJson } from './json.js';
import { readJsonLines } from './lines.js';
import { readMarkdown } from './markdown.js';
import { readParquet } from './parquet.js';
import type { RawRecord, Reader } from './record.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-readers-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function read(reader: Reader, content: string | Uint8Array, name = 'data'): Promise<RawRecord[]> {
  const path = join(folder, name);
  writeFileSync(path, content);
  const progress = { bytes: 0 };
  const records: RawRecord[] = [];
  for await (const record of reader(path, progress)) records.push(record);
  expect(progress.bytes).toBe(Buffer.byteLength(content));
  return records;
}

const contentOf = ({ json, value }: RawRecord): unknown => (json === undefined ? value : JSON.parse(json));
const brief = (records: RawRecord[]) => records.map((r) => [r.line, r.fault?.slice(0, 24) ?? contentOf(r)]);
const text = fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', '{', ']', ',', ' ', '世', '\u2028', '😀') });

describe('JSONL', () => {
  it('gives back every value with its line', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(text, fc.nat(2))), async (items) => {
        let content = '';
        const expected: [number, unknown][] = [];
        for (const [item, blank] of items) {
          content += '\n'.repeat(blank) + JSON.stringify({ item });
          expected.push([content.split('\n').length, { item }]);
          content += blank === 1 ? '\r\n' : '\n';
        }
        expect(brief(await read(readJsonLines, content))).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  it('reads across chunks, unpacks gzip and faults what is not UTF-8', async () => {
    const long = { text: '世'.repeat(1 << 20) };
    expect((await read(readJsonLines, `${JSON.stringify(long)}\n{}`)).map(contentOf)).toEqual([long, {}]);
    expect(brief(await read(readJsonLines, gzipSync('{"a":1}\n[2]'), 'a.jsonl.gz'))).toEqual([
      [1, { a: 1 }],
      [2, [2]],
    ]);
    const bytes = Buffer.concat([Buffer.from('{}\n"'), Buffer.of(0xff), Buffer.from('"\n{}')]);
    expect(brief(await read(readJsonLines, bytes))).toEqual([
      [1, {}],
      [2, 'it is not UTF-8'],
      [3, {}],
    ]);
    const cut = gzipSync('{"a":1}\n'.repeat(100)).subarray(0, 20);
    await expect(read(readJsonLines, cut, 'b.jsonl.gz')).rejects.toThrow(/compression is broken/);
  });
});

describe('JSON', () => {
  it('gives the elements of a list and objects in a row', async () => {
    const record = fc.dictionary(text, fc.oneof(text, fc.integer(), fc.array(text, { maxLength: 3 })), { maxKeys: 3 });
    await fc.assert(
      fc.asyncProperty(fc.array(record), fc.nat(3), fc.boolean(), async (records, indent, list) => {
        const content = list
          ? JSON.stringify(records, null, indent)
          : records.map((value) => JSON.stringify(value, null, indent)).join('\n');
        const data = records.length === 1 && !list ? { ...records[0], data: undefined } : undefined;
        expect((await read(readJson, content)).map(contentOf)).toEqual(data ? [records[0]] : records);
      }),
      { numRuns: 100 },
    );
  });

  it('finds the list in an object, and says where a record is bad', async () => {
    expect((await read(readJson, '{"version": 1, "data": [{"a": 1}, {"a": 2}]}')).map(contentOf)).toEqual([
      { a: 1 },
      { a: 2 },
    ]);
    expect((await read(readJson, '\uFEFF[\n{"a": 1},\n\n  7]')).map(({ line, json }) => [line, json])).toEqual([
      [2, '{"a": 1}'],
      [4, '7'],
    ]);
    await expect(read(readJson, '[{"a": 1},\n{"b": [}')).rejects.toThrow(
      /data:2: the record that begins here does not end/,
    );
    await expect(read(readJson, '[{"a": 1}\n')).rejects.toThrow(/cut off/);
    await expect(read(readJson, '[1]\n[2]')).rejects.toThrow(/data:2: something follows/);
    await expect(read(readJson, '\n7')).rejects.toThrow(/data:2: a JSON file holds/);
  });
});

describe('CSV', () => {
  it('agrees with csv-parse on whatever a table holds', async () => {
    const rows = fc.array(fc.tuple(text, text), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        rows,
        fc.constantFrom(',', ';', '\t'),
        fc.constantFrom('\n', '\r\n'),
        async (table, comma, end) => {
          const quote = (field: string) => (/["\n,;\t]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field);
          const lines = table.filter((row) => row.join('').trim() !== '').map((row) => row.map(quote).join(comma));
          const content = [`q${comma}a`, ...lines].join(end);
          const expected = parseCsv(content, { columns: true, delimiter: comma, relax_quotes: true, bom: true });
          expect((await read(readCsv, content)).map(contentOf)).toEqual(expected);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('loses no more than the line that is bad', async () => {
    const content = '\uFEFFq;a\n"multi\nline";1\n"bad"x;2\nthree;fields;3\n\na "quoted" word;4\n"open;5\nlast;6';
    expect(brief(await read(readCsv, content))).toEqual([
      [2, { q: 'multi\nline', a: '1' }],
      [4, 'a quoted field is follow'],
      [5, 'it has 3 fields, the hea'],
      [7, { q: 'a "quoted" word', a: '4' }],
      [8, 'a quoted field that begi'],
      [9, { q: 'last', a: '6' }],
    ]);
    await expect(read(readCsv, 'a,a\n1,2')).rejects.toThrow(/two columns are called "a"/);
    expect(await read(readCsv, '')).toEqual([]);
  });
});

describe('Parquet', () => {
  const rows = Array.from({ length: 25 }, (_, i) => ({ role: 'user', content: `text ${i} 世` }));
  const table = (codec: 'SNAPPY' | 'UNCOMPRESSED') =>
    new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: 'messages', data: rows.map((row) => [row]), type: 'JSON' },
          { name: 'source', data: rows.map((_, i) => `s${i}`), type: 'STRING' },
          { name: 'other', data: rows.map((_, i) => BigInt(i)), type: 'INT64' },
        ],
        rowGroupSize: 10,
        codec,
      }),
    );

  it('gives the rows of all groups and only the columns that matter', async () => {
    for (const codec of ['SNAPPY', 'UNCOMPRESSED'] as const) {
      const records = await read(readParquet, table(codec));
      expect(records.map(({ line }) => line)).toEqual(rows.map((_, i) => i + 1));
      expect(records.map(contentOf)).toEqual(rows.map((row, i) => ({ messages: [row], source: `s${i}` })));
    }
    const numbers = new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'n', data: [1n, 2n], type: 'INT64' }] }));
    expect((await read(readParquet, numbers)).map(contentOf)).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it('that is damaged is a clear error', async () => {
    const good = table('SNAPPY');
    await expect(read(readParquet, good.subarray(0, good.length - 50))).rejects.toThrow(/no Parquet file or cut off/);
    await expect(read(readParquet, 'hello')).rejects.toThrow(/no Parquet file/);
    const bad = good.slice();
    bad.fill(0xff, 4, 120);
    await expect(read(readParquet, bad)).rejects.toThrow(/row group 1 of 3 cannot be read/);
  });
});

it('takes licence and source from the front matter of Markdown', async () => {
  const [document] = await read(readMarkdown, '---\nlicense: MIT\nsource: here\ntitle: x\n---\n# Title\n\n---\ntext\n');
  expect(document.value).toEqual({ licence: 'MIT', source: 'here', text: '# Title\n\n---\ntext' });
  expect((await read(readMarkdown, '---\n: [\n---\ntext')).map(contentOf)).toEqual([{ text: 'text' }]);
  expect((await read(readMarkdown, '---\nno front matter')).map(contentOf)).toEqual([{ text: '---\nno front matter' }]);
});
