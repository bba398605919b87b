/**
 * The byte-level BPE tokenizer, whatever file it was read from: find control tokens (when asked), normalise, cut into
 * pieces, merge each piece. The merge table holds no way to a control token, so text encoded without `control`
 * cannot become one by construction.
 */
import { KaiwenError } from '../errors.js';
import { type AddedToken, AddedTokenFinder } from './added.js';
import { Bpe, type BpeTables } from './bpe.js';
import { nfc } from './normalize.js';
import { type PreTokenizer, preTokenizer } from './pretokenize.js';
import type { StreamDecoder, Tokenizer } from './tokenizer.js';
import type { Vocabulary } from './vocabulary.js';

export interface TokenizerDefinition extends BpeTables {
  /** The bytes of every id, added tokens included. */
  readonly vocabulary: Vocabulary;
  readonly added: readonly AddedToken[];
  /** The patterns that cut text into pieces, applied one after the other. */
  readonly patterns: readonly string[];
  /** Whether text (each stretch between control tokens) is brought into Unicode normalisation form C. */
  readonly nfc: boolean;
  readonly bosToken?: number;
  readonly eosTokens: readonly number[];
  readonly addBos: boolean;
}

const utf8 = new TextEncoder();
/** Texts up to this length share one buffer for their bytes. */
const SHARED_TEXT = 1 << 16;

export class ByteLevelTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly controlTokens: ReadonlyMap<string, number>;
  readonly bosToken?: number;
  readonly eosTokens: readonly number[];
  readonly addBos: boolean;

  private readonly definition: TokenizerDefinition;
  private readonly preTokenizer: PreTokenizer;
  private readonly bpe: Bpe;
  private readonly special: ReadonlySet<number>;
  private readonly asGiven: AddedTokenFinder;
  private readonly normalised: AddedTokenFinder;
  private readonly buffer = new Uint8Array(SHARED_TEXT * 3);

  constructor(definition: TokenizerDefinition) {
    this.definition = definition;
    this.vocabSize = definition.vocabulary.size;
    this.controlTokens = new Map(definition.added.map(({ content, id }) => [content, id]));
    this.bosToken = definition.bosToken;
    this.eosTokens = definition.eosTokens;
    this.addBos = definition.addBos;
    this.preTokenizer = preTokenizer(definition.patterns);
    this.bpe = new Bpe(definition);
    this.special = new Set(definition.added.filter(({ special }) => special).map(({ id }) => id));
    const late = definition.added.filter(({ normalized }) => normalized && definition.nfc);
    this.asGiven = new AddedTokenFinder(
      new Map(definition.added.filter((token) => !late.includes(token)).map((token) => [token.content, token])),
    );
    this.normalised = new AddedTokenFinder(new Map(late.map((token) => [nfc(token.content), token])));
  }

  encode(text: string, options: { control?: boolean } = {}): number[] {
    const ids: number[] = [];
    if (!options.control) {
      this.encodeText(this.normalise(text), ids);
      return ids;
    }
    for (const part of this.asGiven.split(text)) {
      if (typeof part !== 'string') ids.push(part.id);
      else {
        for (const inner of this.normalised.split(this.normalise(part))) {
          if (typeof inner === 'string') this.encodeText(inner, ids);
          else ids.push(inner.id);
        }
      }
    }
    return ids;
  }

  private normalise(text: string): string {
    return this.definition.nfc ? nfc(text) : text;
  }

  private encodeText(text: string, ids: number[]): void {
    let bytes = this.buffer;
    let length: number;
    if (text.length <= SHARED_TEXT) length = utf8.encodeInto(text, bytes).written;
    else {
      bytes = utf8.encode(text);
      length = bytes.length;
    }
    const { bpe } = this;
    this.preTokenizer.split(text, bytes, length, (start, end) => bpe.encode(bytes, start, end, ids));
  }

  decode(ids: Iterable<number>, options: { control?: boolean } = {}): string {
    const parts: Uint8Array[] = [];
    let length = 0;
    for (const id of ids) {
      const part = this.shown(id, options.control ?? false);
      parts.push(part);
      length += part.length;
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return newDecoder().decode(bytes);
  }

  decoder(options: { control?: boolean } = {}): StreamDecoder {
    const control = options.control ?? false;
    const characters = newDecoder();
    return {
      push: (id) => characters.decode(this.shown(id, control), { stream: true }),
      end: () => characters.decode(),
    };
  }

  bytes(id: number): Uint8Array {
    return this.definition.vocabulary.bytes(id);
  }

  private shown(id: number, control: boolean): Uint8Array {
    if (!Number.isInteger(id) || id < 0) {
      throw new KaiwenError('bad_input', `${id} is not a token id.`, { remedy: 'Ids are whole numbers from 0.' });
    }
    return this.definition.vocabulary.bytes(!control && this.special.has(id) ? -1 : id);
  }
}

function newDecoder(): TextDecoder {
  return new TextDecoder('utf-8', { ignoreBOM: true });
}
