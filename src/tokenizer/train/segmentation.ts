/**
 * Pieces of a corpus as sequences of tokens, in one Int32Array with a word for each byte, so that a token never moves
 * when it merges with its neighbour: at its first byte stands its id, at its last minus its length (a token of one
 * byte has only the id), and between pieces stands which piece it was. Both neighbours of a token are one look away.
 */
import type { PieceCounts } from './piece-counts.js';

/** Inside a token: neither an id nor a length (tokens of one byte store none). */
const INSIDE = -1;
/** The piece `n` ends in `END - n`; lengths of tokens are far above. */
const END = -(1 << 16);

export class Segmentation {
  readonly words: Int32Array;
  /** How often each piece occurs. */
  private readonly weights: Float64Array;
  private readonly lengths: readonly number[];

  /**
   * @param encode appends the ids of the tokens that a piece consists of now
   * @param lengths bytes of each token by its id; grows with the vocabulary
   */
  constructor(
    counts: PieceCounts,
    encode: (bytes: Uint8Array, start: number, end: number, out: number[]) => void,
    lengths: readonly number[],
  ) {
    this.lengths = lengths;
    this.words = new Int32Array(counts.byteLength + counts.size + 1);
    this.weights = new Float64Array(counts.size);
    this.words[0] = END;
    let at = 1;
    let piece = 0;
    const ids: number[] = [];
    counts.forEach((bytes, start, end, count) => {
      ids.length = 0;
      encode(bytes, start, end, ids);
      for (const id of ids) {
        const length = lengths[id]!;
        if (length > 1) this.words.fill(INSIDE, at + 1, at + length);
        this.put(at, id, length);
        at += length;
      }
      this.weights[piece] = count;
      this.words[at++] = END - piece++;
    });
  }

  /** Where the token before the one at `at` begins; -1 if that is the first of its piece. */
  before(at: number): number {
    const word = this.words[at - 1]!;
    if (word >= 0) return at - 1;
    return word > END ? at + word : -1;
  }

  /** The id of the token behind the one at `at`, whose id is `id`; negative if that is the last of its piece. */
  idAfter(at: number, id: number): number {
    return this.words[at + this.lengths[id]!]!;
  }

  /** How often the piece occurs in which the token at `at` lies. */
  weight(at: number): number {
    const { words, lengths } = this;
    let position = at;
    let word = words[position]!;
    while (word >= 0) {
      position += lengths[word]!;
      word = words[position]!;
    }
    return this.weights[END - word]!;
  }

  isPair(at: number, left: number, right: number): boolean {
    return this.words[at] === left && this.words[at + this.lengths[left]!] === right;
  }

  /** Makes one token, `product`, of the pair at `at`. */
  merge(at: number, left: number, product: number): void {
    this.words[at + this.lengths[left]!] = INSIDE;
    this.put(at, product, this.lengths[product]!);
  }

  private put(at: number, id: number, length: number): void {
    this.words[at] = id;
    if (length > 1) this.words[at + length - 1] = -length;
  }
}
