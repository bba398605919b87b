/** A file cut at its line feeds, as bytes: what else Unicode or a library calls the end of a line is content here. */
import { createReadStream } from 'node:fs';

export interface Line {
  /** Offset of its first byte. */
  start: number;
  /** Without the line feed; absent for a line of more than `most` bytes. */
  bytes?: Uint8Array;
  /** False for a last line without a line feed. */
  ended: boolean;
}

export async function* eachLine(path: string, most: number): AsyncGenerator<Line> {
  let start = 0;
  let held: Uint8Array[] = [];
  let length = 0;
  const take = (ended: boolean): Line => {
    const bytes = length > most ? undefined : held.length === 1 ? held[0] : Buffer.concat(held);
    const line = { start, ...(bytes && { bytes }), ended };
    start += length + 1;
    held = [];
    length = 0;
    return line;
  };
  const hold = (bytes: Uint8Array) => {
    length += bytes.length;
    if (length <= most) held.push(bytes);
    else held = [];
  };
  for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, from)) {
      hold(piece.subarray(from, end));
      yield take(true);
      from = end + 1;
    }
    if (from < piece.length) hold(piece.subarray(from));
  }
  if (length > 0) yield take(false);
}
