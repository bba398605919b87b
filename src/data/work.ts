/**
 * What is done to a batch of records, on whichever thread: `scan` looks at each and says what is wrong with it or
 * what identifies it; `encode` turns those that stay into token ids. Both start from the record as it was read and
 * depend on nothing but it and the settings.
 */
import { createHash } from 'node:crypto';
import { KaiwenError } from '../errors.js';
import { type Encoded, type EncodeOptions, ExampleEncoder } from './encode.js';
import { type Example, Fault, type Item, questionOf, textsOf } from './example.js';
import { type FilterReason, type FilterSettings, judge } from './filters.js';
import { Growing } from './growing.js';
import { type MaskCounts, type MaskKind, maskExample, noMasks } from './mask.js';
import { DOCUMENTS, normalise, QUESTIONS, Signer } from './minhash.js';
import type { RawRecord } from './readers/record.js';
import { readShape, type ShapeOptions } from './shapes.js';
import { openTextSide, type TextSide } from './text-side.js';

export interface WorkSettings {
  /** Path of the model whose tokenizer and template are used; only `encode` needs it. */
  model?: string;
  shapes: ShapeOptions;
  filters: FilterSettings;
  mask: readonly MaskKind[];
  encode: EncodeOptions;
  /** Longer conversations are left out, longer texts cut. */
  maxTokens?: number;
  /** Sign documents, to find near duplicates of them, and questions, to split by. */
  signDocuments: boolean;
  signQuestions: boolean;
}

export interface Scanned {
  line: number;
  fault?: string;
  dropped?: FilterReason;
  /** Of a record without fault. */
  kind?: Example['kind'];
  chars?: number;
  licence?: string;
  source?: string;
}

export interface ScannedBatch {
  records: Scanned[];
  /** For each record the 64-bit hashes of all its texts and of its question, as two words each: see questionOf. */
  keys: Uint32Array;
  questions: Uint32Array;
  /** Signatures of documents and questions, one after the other; empty where not asked for. */
  documentSigns: Uint32Array;
  questionSigns: Uint32Array;
  masked: MaskCounts;
}

/** Documents of a batch, one after the other. */
export interface EncodedBatch {
  ids: Uint32Array;
  weights: Uint8Array;
  /** Of each document: its end in `ids`, and which record of the batch it comes from. */
  ends: Uint32Array;
  records: Uint32Array;
  /** Records that the template refuses or that hold nothing to learn. */
  faults: { line: number; fault: string }[];
  /** Records left out because they have too many tokens. */
  tooLong: number;
  lost: LostCounts;
  masked: MaskCounts;
}

/** What a chat template did not write, in records, and answers after another prompt than it would ask with. */
export interface LostCounts {
  thoughts: number;
  calls: number;
  tools: number;
  unlikePrompt: number;
}

export class Work {
  readonly #settings: WorkSettings;
  readonly #documents = new Signer(DOCUMENTS);
  readonly #questions = new Signer(QUESTIONS);
  readonly #mask: ReadonlySet<string>;
  #side?: TextSide;
  #encoder?: ExampleEncoder;
  #masked = noMasks();

  /** @param side the text side of `settings.model`, if it is open already */
  constructor(settings: WorkSettings, side?: TextSide) {
    this.#settings = settings;
    this.#mask = new Set(settings.mask);
    this.#side = side;
  }

  scan(records: readonly RawRecord[]): ScannedBatch {
    const { filters, signDocuments, signQuestions } = this.#settings;
    const words = (signer: Signer, wanted: boolean) => (wanted ? signer.words : 0);
    const documentWords = words(this.#documents, signDocuments);
    const questionWords = words(this.#questions, signQuestions);
    const batch: ScannedBatch = {
      records: [],
      keys: new Uint32Array(records.length * 2),
      questions: new Uint32Array(records.length * 2),
      documentSigns: new Uint32Array(records.length * documentWords),
      questionSigns: new Uint32Array(records.length * questionWords),
      masked: (this.#masked = noMasks()),
    };
    for (const [i, record] of records.entries()) {
      const { line } = record;
      const item = this.#read(record);
      if ('fault' in item) {
        batch.records.push({ line, fault: item.fault });
        continue;
      }
      const { example, identity, licence, source } = item;
      const text = textsOf(example).join('\n');
      const dropped = judge(text, filters);
      batch.records.push({ line, dropped, kind: example.kind, chars: text.length, licence, source });
      if (dropped) continue;
      const question = questionOf(example);
      hash(identity, batch.keys, i * 2);
      hash(normalise(question), batch.questions, i * 2);
      const at = (array: Uint32Array, words: number) => array.subarray(i * words, (i + 1) * words);
      if (signDocuments) this.#documents.sign(text, at(batch.documentSigns, documentWords));
      if (signQuestions) this.#questions.sign(question, at(batch.questionSigns, questionWords));
    }
    return batch;
  }

  /** @param keep 1 for each record that is to be encoded */
  encode(records: readonly RawRecord[], keep: Uint8Array): EncodedBatch {
    const encoder = (this.#encoder ??= this.#openEncoder());
    const before = countsOf(encoder);
    const faults: EncodedBatch['faults'] = [];
    const ids = new Growing(Uint32Array);
    const weights = new Growing(Uint8Array);
    const [ends, from]: number[][] = [[], []];
    let tooLong = 0;
    this.#masked = noMasks();
    for (const [i, record] of records.entries()) {
      if (!keep[i]) continue;
      const { documents, fault } = this.documents(record);
      if (fault !== undefined) faults.push({ line: record.line, fault });
      else if (documents.length === 0) tooLong++;
      for (const document of documents) {
        for (let j = 0; j < document.ids.length; j++) {
          ids.push(document.ids[j]);
          weights.push(document.weights ? document.weights[j] : 255);
        }
        ends.push(ids.length);
        from.push(i);
      }
    }
    const after = countsOf(encoder);
    const lost = { ...after };
    for (const name of Object.keys(lost) as (keyof LostCounts)[]) lost[name] -= before[name];
    return {
      ids: ids.view.slice(),
      weights: weights.view.slice(),
      ends: Uint32Array.from(ends),
      records: Uint32Array.from(from),
      faults,
      tooLong,
      lost,
      masked: this.#masked,
    };
  }

  /** The documents of one record, or what is wrong with it; none where they are too long. */
  documents(record: RawRecord): { documents: Encoded[]; fault?: string } {
    const encoder = (this.#encoder ??= this.#openEncoder());
    const item = this.#read(record);
    if ('fault' in item) return { documents: [], fault: item.fault };
    const documents = attempt(() => this.#fit(item.example, encoder.encode(item.example)));
    return 'fault' in documents ? { documents: [], fault: documents.fault } : { documents };
  }

  #openEncoder(): ExampleEncoder {
    const { tokenizer, template } = (this.#side ??= openTextSide(this.#settings.model!));
    return new ExampleEncoder(tokenizer, template, this.#settings.encode);
  }

  /** The example with a text that only the same example has. */
  #read({ json, value, fault }: RawRecord): (Item & { identity: string }) | { fault: string } {
    if (fault !== undefined) return { fault };
    return attempt(() => {
      const item = readShape(json === undefined ? value : parse(json), this.#settings.shapes);
      const { example } = item;
      const masked = this.#mask.size === 0 ? example : maskExample(example, this.#mask, this.#masked);
      return { ...item, example: masked, identity: JSON.stringify(masked) };
    });
  }

  /** Texts are cut, one document too long of a conversation is left out, and of a pair both. */
  #fit(example: Example, documents: Encoded[]): Encoded[] {
    const { maxTokens } = this.#settings;
    if (maxTokens === undefined || documents.every(({ ids }) => ids.length <= maxTokens)) return documents;
    if (example.kind === 'text') return documents.flatMap((document) => cut(document, maxTokens));
    if (example.kind === 'pair' || example.kind === 'plain-pair') return [];
    return documents.filter(({ ids }) => ids.length <= maxTokens);
  }
}

function cut({ ids }: Encoded, size: number): Encoded[] {
  const pieces: Encoded[] = [];
  for (let at = 0; at < ids.length; at += size) pieces.push({ ids: ids.slice(at, at + size) });
  return pieces;
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
    // The stack ran out.
    if (error instanceof RangeError) return { fault: 'it nests too deeply' };
    throw error;
  }
}

function countsOf({ unlikePrompt, lost }: ExampleEncoder): LostCounts {
  return { ...lost, unlikePrompt };
}

function hash(text: string, into: Uint32Array, at: number): void {
  const bytes = createHash('sha256').update(text).digest();
  into[at] = bytes.readUInt32LE(0);
  into[at + 1] = bytes.readUInt32LE(4);
}
