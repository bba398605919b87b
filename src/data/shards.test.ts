import { mkdtempSync, readFileSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ShardKind, ShardReader, ShardWriter } from './shards.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaiwen-shards-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function write(
  documents: { ids: number[]; weights?: number[]; source: number }[],
  { kind = 'chat' as ShardKind, vocabSize = 1000, shardTokens = 50 } = {},
) {
  const writer = new ShardWriter(folder, { kind, vocabSize, tokenizer: 'x' }, [], shardTokens);
  for (const { ids, weights, source } of documents) {
    writer.add(ids, weights, source);
    if (writer.full) await writer.write();
  }
  return writer.finish([{ name: 'a', licence: 'MIT' }, { name: 'b' }]);
}

describe('shards', () => {
  it('give back what was written, whatever the documents are', async () => {
    const documents = (vocabSize: number) =>
      fc.array(
        fc.record({
          ids: fc.array(fc.nat(vocabSize - 1), { minLength: 1, maxLength: 40 }),
          source: fc.nat(1),
          seed: fc.nat(255),
        }),
        { maxLength: 30 },
      );
    const cases = fc
      .tuple(fc.constantFrom(300, 65_536, 65_537, 151_936), fc.constantFrom<ShardKind>('text', 'chat'))
      .chain(([vocabSize, kind]) => documents(vocabSize).map((list) => ({ vocabSize, kind, list })));
    await fc.assert(
      fc.asyncProperty(cases, async ({ vocabSize, kind, list }) => {
        rmSync(folder, { recursive: true });
        folder = mkdtempSync(join(tmpdir(), 'kaiwen-shards-'));
        const given = list.map(({ ids, source, seed }) => ({
          ids,
          source,
          ...(kind === 'chat' && { weights: ids.map((_, i) => (seed * i) % 256) }),
        }));
        const index = await write(given, { kind, vocabSize });
        using reader = new ShardReader(folder);
        const back = Array.from({ length: reader.documents }, (_, i) => reader.document(i));
        const plain = back.map(({ ids, weights, source }) => ({
          ids: [...ids],
          source,
          ...(weights && { weights: [...weights] }),
        }));
        expect(plain).toEqual(given);
        expect(back.map((_, i) => reader.length(i))).toEqual(given.map(({ ids }) => ids.length));
        expect(reader.tokens).toBe(given.reduce((sum, { ids }) => sum + ids.length, 0));
        expect(reader.hash).toBe(index.hash);
        expect(reader.index.learned).toBe(
          given.flatMap(({ ids, weights }) => ids.slice(1).filter((_, i) => !weights || weights[i + 1] > 0)).length,
        );
      }),
      { numRuns: 40 },
    );
  });

  it('are refused when a byte is changed, the file is cut, lost or not finished', async () => {
    await write([
      { ids: [1, 2, 3], source: 0 },
      { ids: Array(60).fill(7), source: 1 },
      { ids: [4], source: 1 },
    ]);
    const file = join(folder, 'shard-00000.bin');
    const good = readFileSync(file);
    const open = () => new ShardReader(folder).close();
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bad = Buffer.from(good);
        bad[at] ^= change;
        writeFileSync(file, bad);
        expect(open).toThrow(/shard-00000\.bin: the shard is damaged/);
      }),
      { numRuns: 30 },
    );
    writeFileSync(file, good);
    open();
    truncateSync(file, good.length - 1);
    expect(open).toThrow(/damaged, it has \d+ bytes and should have \d+/);
    unlinkSync(file);
    expect(open).toThrow(/damaged, it is missing/);
    writeFileSync(file, good);
    const index = readFileSync(join(folder, 'shards.json'), 'utf8');
    writeFileSync(join(folder, 'shards.json'), index.replace('"documents": 3', '"documents": 4'));
    expect(open).toThrow(/its hash does not fit/);
    writeFileSync(join(folder, 'shards.json'), index.slice(0, 100));
    expect(open).toThrow(/not JSON/);
    unlinkSync(join(folder, 'shards.json'));
    expect(open).toThrow(expect.objectContaining({ code: 'not_found' }));
  });

  it('have no document beyond the last', async () => {
    await write([{ ids: [1], source: 0 }]);
    using reader = new ShardReader(folder);
    expect(() => reader.document(1)).toThrow('no document 1');
    expect(() => reader.document(-1)).toThrow('no document -1');
  });
});
