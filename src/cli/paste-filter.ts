/**
 * Stands between the terminal and node:readline, which knows no bracketed paste: the newlines of a paste must not send
 * the message. Inside `ESC [200~ … ESC [201~` each becomes a marked line end (see MessageBuilder), and control
 * characters vanish, so that pasted text cannot press keys. Everything else passes unchanged.
 */
import { Transform, type TransformCallback } from 'node:stream';
import { PASTED_NEWLINE } from './message-builder.js';

const BEGIN = Buffer.from('\x1b[200~');
const END = Buffer.from('\x1b[201~');
const LINE_END = Buffer.from(`${PASTED_NEWLINE}\r`);
const [TAB, LF, CR, DEL] = [0x09, 0x0a, 0x0d, 0x7f];

export class PasteFilter extends Transform {
  /** node:readline switches the terminal through the stream it reads. */
  readonly setRawMode: (raw: boolean) => void;
  #held: Buffer = Buffer.alloc(0);
  #pasting = false;
  #afterCr = false;

  constructor(setRawMode: (raw: boolean) => void = () => {}) {
    super();
    this.setRawMode = setRawMode;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let rest = Buffer.concat([this.#held, chunk]);
    this.#held = Buffer.alloc(0);
    while (rest.length > 0) {
      const marker = this.#pasting ? END : BEGIN;
      const at = rest.indexOf(marker);
      const end = at >= 0 ? at : rest.length - partialMarker(rest, marker, this.#pasting ? 1 : 3);
      if (end > 0) this.push(this.#pasting ? this.#clean(rest.subarray(0, end)) : rest.subarray(0, end));
      if (at < 0) {
        this.#held = rest.subarray(end);
        break;
      }
      rest = rest.subarray(at + marker.length);
      this.#pasting = !this.#pasting;
      this.#afterCr = false;
    }
    done();
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#held);
  }

  #clean(bytes: Buffer): Buffer {
    const parts: Buffer[] = [];
    for (const byte of bytes) {
      const secondOfPair = byte === LF && this.#afterCr;
      this.#afterCr = byte === CR;
      if (byte === CR || byte === LF) {
        if (!secondOfPair) parts.push(LINE_END);
      } else if (byte === TAB || (byte >= 0x20 && byte !== DEL)) {
        parts.push(Buffer.of(byte));
      }
    }
    return Buffer.concat(parts);
  }
}

/** Bytes at the end that may be the marker's beginning. Outside a paste at least three: ESC alone is a key, as is `ESC [`. */
function partialMarker(bytes: Buffer, marker: Buffer, least: number): number {
  for (let length = marker.length - 1; length >= least; length--) {
    if (bytes.subarray(-length).equals(marker.subarray(0, length))) return length;
  }
  return 0;
}
