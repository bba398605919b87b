/**
 * What each id stands for, in bytes: one arena for all tokens instead of an object for each.
 * Ids may have gaps (padding rows of an embedding); a gap has no bytes.
 */
import { CHAR_BYTES } from './alphabet.js';

const utf8 = new TextEncoder();

export class Vocabulary {
  /** One more than the largest id. */
  readonly size: number;
  private arena: Uint8Array;
  private used = 0;
  private readonly starts: Int32Array;
  private readonly lengths: Int32Array;

  /** @param size one more than the largest id  @param bytesHint expected bytes of all tokens together */
  constructor(size: number, bytesHint = size * 8) {
    this.size = size;
    this.arena = new Uint8Array(bytesHint + 64);
    this.starts = new Int32Array(size);
    this.lengths = new Int32Array(size);
  }

  has(id: number): boolean {
    return id >= 0 && id < this.size && this.lengths[id]! > 0;
  }

  /** The bytes of a token; empty for a gap or an id beyond the vocabulary. Valid until the next `set`. */
  bytes(id: number): Uint8Array {
    if (!this.has(id)) return this.arena.subarray(0, 0);
    const start = this.starts[id]!;
    return this.arena.subarray(start, start + this.lengths[id]!);
  }

  set(id: number, bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.arena.set(bytes, this.used);
    this.finish(id, bytes.length);
  }

  /** A token written in the byte alphabet. One that leaves the alphabet stands for its own UTF-8. */
  setAlphabet(id: number, token: string): void {
    this.reserve(token.length);
    const { arena, used } = this;
    for (let i = 0; i < token.length; i++) {
      const code = token.charCodeAt(i);
      const byte = code < CHAR_BYTES.length ? CHAR_BYTES[code]! : -1;
      if (byte < 0) {
        this.setText(id, token);
        return;
      }
      arena[used + i] = byte;
    }
    this.finish(id, token.length);
  }

  /** A token written as plain text. */
  setText(id: number, text: string): void {
    this.set(id, utf8.encode(text));
  }

  private reserve(length: number): void {
    if (this.used + length <= this.arena.length) return;
    const larger = new Uint8Array((this.used + length) * 2);
    larger.set(this.arena.subarray(0, this.used));
    this.arena = larger;
  }

  private finish(id: number, length: number): void {
    this.starts[id] = this.used;
    this.lengths[id] = length;
    this.used += length;
  }
}
