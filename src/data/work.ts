/**
 * What is done to a batch of records, on whichever thread: `scan` looks at each and says what is wrong with it or
 * what identifies it; `encode` turns those that stay into token ids. Both start from the record as it was read and
 * depend on nothing but it and the settings.
 */
import { createHash } from 'node:crypto';
import { KaiwenError } from '../errors.js';
import { type EncodeOptions, ExampleEncoder } from './encode.js';
import { type Example, Fault, type Item, questionOf, textsOf } from './example.js';
import type { RawRecord } from './readers/record.js';
import { readShape, type ShapeOptions } from './shapes.js';
import { openTextSide } from './text-side.js';

export interface WorkSettings {
  /** Path of the model whose tokenizer and template are used. */
  model: string;
  shapes: ShapeOptions;
  encode: EncodeOptions;
  /** Longer conversations are left out, longer texts cut. */
  maxTokens?: number;
}

export interface Scanned {
  line: number;
  fault?: string;
  /** Of a record without fault. */
  kind?: Example['kind'];
  /** Hash of all its texts, and of its question (see questionOf), normalised. */
  key?: string;
  question?: string;
  licence?: string;
  source?: string;
}

/** Documents of a batch, one after the other. */
export interface EncodedBatch {
  ids: Uint32Array;
  weights: Uint8Array;
  /** Of each document: its end in `ids`, and which record of the batch it comes from. */
  ends: Uint32Array;
  records: Uint32Array;
  faults: { line: number; fault: string }[];
  tooLong: number;
  counts: EncodeCounts;
}

export interface EncodeCounts {
  unlikePrompt: number;
  lostThoughts: number;
  lostCalls: number;
  lostTools: number;
}

export class Work {
  readonly #settings: WorkSettings;
  #encoder?: ExampleEncoder;

  constructor(settings: WorkSettings) {
    this.#settings = settings;
  }

  scan(records: readonly RawRecord[]): Scanned[] {
    return records.map((record) => {
      const { line } = record;
      const item = this.#read(record);
      if ('fault' in item) return { line, fault: item.fault };
      const { example, licence, source } = item;
      return {
        line,
        kind: example.kind,
        key: hashOf(textsOf(example)),
        question: hashOf([questionOf(example)]),
        licence,
        source,
      };
    });
  }

  /** @param keep 1 for each record that is to be encoded */
  encode(records: readonly RawRecord[], keep: Uint8Array): EncodedBatch {
    const encoder = (this.#encoder ??= this.#openEncoder());
    const { maxTokens = Number.POSITIVE_INFINITY } = this.#settings;
    const before = countsOf(encoder);
    const faults: EncodedBatch['faults'] = [];
    const [ids, weights, ends, from]: number[][] = [[], [], [], []];
    let tooLong = 0;
    for (const [i, record] of records.entries()) {
      const item = keep[i] ? this.#read(record) : undefined;
      if (!item || 'fault' in item) continue;
      const documents = attempt(() => encoder.encode(item.example));
      if ('fault' in documents) {
        faults.push({ line: record.line, fault: documents.fault });
        continue;
      }
      const pair = item.example.kind === 'pair' || item.example.kind === 'plain-pair';
      const long = documents.filter((document) => document.ids.length > maxTokens).length;
      const text = item.example.kind === 'text';
      if (long > 0 && !text) tooLong++;
      if (long > 0 && pair) continue;
      for (const document of documents) {
        if (document.ids.length > maxTokens && !text) continue;
        const size = Math.min(maxTokens, document.ids.length);
        for (let at = 0; at < document.ids.length; at += size) {
          for (let j = at; j < Math.min(at + size, document.ids.length); j++) {
            ids.push(document.ids[j]);
            weights.push(document.weights ? document.weights[j] : 255);
          }
          ends.push(ids.length);
          from.push(i);
        }
      }
    }
    const after = countsOf(encoder);
    const counts = Object.fromEntries(
      Object.entries(after).map(([name, value]) => [name, value - before[name as keyof EncodeCounts]]),
    ) as unknown as EncodeCounts;
    return {
      ids: Uint32Array.from(ids),
      weights: Uint8Array.from(weights),
      ends: Uint32Array.from(ends),
      records: Uint32Array.from(from),
      faults,
      tooLong,
      counts,
    };
  }

  #openEncoder(): ExampleEncoder {
    const { tokenizer, template } = openTextSide(this.#settings.model);
    return new ExampleEncoder(tokenizer, template, this.#settings.encode);
  }

  #read({ json, value, fault }: RawRecord): Item | { fault: string } {
    if (fault !== undefined) return { fault };
    return attempt(() => readShape(json === undefined ? value : parse(json), this.#settings.shapes));
  }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new Fault(`it is not JSON (${(cause as Error).message.replace(/\s+/g, ' ').slice(0, 100)})`);
  }
}

/** A fault of the record is a result; anything else is a failure. */
function attempt<T>(action: () => T): T | { fault: string } {
  try {
    return action();
  } catch (error) {
    if (error instanceof KaiwenError && error.code === 'bad_input') return { fault: error.message.replace(/\.$/, '') };
    throw error;
  }
}

function countsOf({ unlikePrompt, lost }: ExampleEncoder): EncodeCounts {
  return { unlikePrompt, lostThoughts: lost.thoughts, lostCalls: lost.calls, lostTools: lost.tools };
}

/** 64 bits over texts without regard to case, width and white space. */
function hashOf(texts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(normalise(text)).update('\0');
  return hash.digest('hex').slice(0, 16);
}

export function normalise(text: string): string {
  return text.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim();
}
