/** Documents to look at: the first ones of raw files, as they would be learned, or of prepared data, as they will be. */
import { join } from 'node:path';
import { KaiwenError } from '../errors.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { readBatches } from './batches.js';
import type { EncodeOptions } from './encode.js';
import { type DataOptions, filesOf, workOf } from './prepare.js';
import { isShardFolder, ShardReader } from './shards.js';
import { openTextSide } from './text-side.js';
import { Work } from './work.js';

export interface SampleOptions extends DataOptions, EncodeOptions {
  model: string;
  maxTokens?: number;
  /** How many examples, after how many that are passed over. */
  count: number;
  skip: number;
}

export interface Sample {
  /** Where it stands: file and line, or the number of the document. */
  place: string;
  ids: ArrayLike<number>;
  /** Of each token as a target, 255 = 1. */
  weights: ArrayLike<number>;
}

export interface Samples {
  tokenizer: Tokenizer;
  samples: AsyncIterable<Sample | { place: string; fault: string }>;
}

export function takeSamples(options: SampleOptions): Samples {
  const side = openTextSide(options.model);
  const [first] = options.sources.map((source) => (typeof source === 'string' ? source : source.path));
  const folder = [first, join(first, 'train')].find(isShardFolder);
  if (folder === undefined) {
    return { tokenizer: side.tokenizer, samples: ofFiles(options, new Work(settingsOf(options), side)) };
  }
  const reader = new ShardReader(folder);
  if (reader.index.tokenizer !== side.hash) {
    reader.close();
    throw new KaiwenError('bad_input', `${first}: prepared with another tokenizer or chat template.`, {
      remedy: 'Give the model that the data was prepared with.',
    });
  }
  return { tokenizer: side.tokenizer, samples: ofShards(reader, folder, options) };
}

async function* ofShards(reader: ShardReader, folder: string, { skip, count }: SampleOptions): AsyncGenerator<Sample> {
  using open = reader;
  for (let i = skip; i < Math.min(skip + count, open.documents); i++) {
    const { ids, weights = new Uint8Array(ids.length).fill(255) } = open.document(i);
    yield { place: `${folder}, document ${i}`, ids, weights };
  }
}

async function* ofFiles(options: SampleOptions, work: Work): Samples['samples'] {
  const { files } = filesOf(options);
  const fields = Object.keys(options.fields ?? {});
  let seen = 0;
  for await (const { file, records } of readBatches(files, { fields, signal: options.signal })) {
    for (const record of records) {
      if (seen >= options.skip + options.count) return;
      const place = `${files[file].path}:${record.line}`;
      const { documents, fault } = work.documents(record);
      if (fault !== undefined) {
        yield { place, fault };
        continue;
      }
      if (seen++ < options.skip) continue;
      for (const { ids, weights } of documents) yield { place, ids, weights: weights ?? ids.map(() => 255) };
    }
  }
}

function settingsOf(options: SampleOptions) {
  const { model, loss, think, endToken, maxTokens } = options;
  return { ...workOf(options), model, encode: { loss, think, endToken }, maxTokens };
}
