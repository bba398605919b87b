/**
 * Near duplicates by MinHash (Broder 1997) and banding (Indyk and Motwani 1998): the signature of a text estimates
 * the Jaccard similarity of its runs of `shingle` words with another's, and texts that agree in a whole band are
 * compared. A signature keeps a byte of each minimum (Li and König 2010), which is enough to estimate with.
 */

const BANDS = 16;

export interface NearSettings {
  /** Words in a run. */
  shingle: number;
  /** Minima in a band: more make dissimilar texts meet less often. A multiple of 4, so that a band is whole words. */
  rows: number;
}

/** Documents; questions are shorter and differ by less. */
export const DOCUMENTS: NearSettings = { shingle: 5, rows: 8 };
export const QUESTIONS: NearSettings = { shingle: 3, rows: 4 };

/** Characters of scripts written without spaces are words of their own. */
const WORDS =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Khmer}\p{Script=Lao}]|[\p{L}\p{M}\p{N}]+/gu;

/** Hashes of the runs of `size` words of a text, in order; one hash of all words where there are fewer. */
export function shinglesOf(text: string, size: number): Uint32Array {
  const words: number[] = [];
  const plain = normalise(text);
  for (const [word] of plain.matchAll(WORDS)) words.push(hashWord(word));
  if (words.length === 0) words.push(hashWord(plain));
  const count = Math.max(1, words.length - size + 1);
  const hashes = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    let hash = 0x9e3779b9;
    for (let j = i; j < Math.min(i + size, words.length); j++) hash = mix(Math.imul(hash, 0x85ebca6b) + words[j]);
    hashes[i] = hash;
  }
  return hashes;
}

/** Without regard to case, width and white space. */
export function normalise(text: string): string {
  return text.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim();
}

/** Makes signatures. */
export class Signer {
  /** 32-bit words of a signature. */
  readonly words: number;
  readonly #settings: NearSettings;
  readonly #seeds: Uint32Array;
  readonly #factors: Uint32Array;
  readonly #minima: Uint32Array;

  constructor(settings: NearSettings) {
    this.#settings = settings;
    const count = BANDS * settings.rows;
    this.words = wordsOf(settings);
    this.#seeds = Uint32Array.from({ length: count }, (_, i) => mix(2 * i + 1));
    this.#factors = Uint32Array.from({ length: count }, (_, i) => mix(2 * i + 2) | 1);
    this.#minima = new Uint32Array(count);
  }

  sign(text: string, into: Uint32Array): void {
    const minima = this.#minima.fill(0xffffffff);
    const [seeds, factors] = [this.#seeds, this.#factors];
    for (const shingle of shinglesOf(text, this.#settings.shingle)) {
      for (let i = 0; i < minima.length; i++) {
        let hash = Math.imul(shingle ^ seeds[i], factors[i]);
        hash = (hash ^ (hash >>> 15)) >>> 0;
        if (hash < minima[i]) minima[i] = hash;
      }
    }
    for (let i = 0; i < minima.length; i += 4) {
      into[i / 4] =
        (minima[i] & 255) | ((minima[i + 1] & 255) << 8) | ((minima[i + 2] & 255) << 16) | (minima[i + 3] << 24);
    }
  }
}

/** Signatures that texts are compared with; 200 to 400 bytes each. */
export class NearIndex {
  readonly #words: number;
  readonly #minima: number;
  readonly #threshold: number;
  #size = 0;
  #signatures: Uint32Array;
  /** Open addressing by the hash of a band: a signature that may have it, plus one. */
  #slots = new Uint32Array(1 << 12);
  #used = 0;

  /** @param threshold similarity from which texts are near duplicates, 0 to 1 */
  constructor(settings: NearSettings, threshold: number) {
    this.#words = wordsOf(settings);
    this.#minima = BANDS * settings.rows;
    this.#threshold = threshold;
    this.#signatures = new Uint32Array(this.#words << 8);
  }

  /** The signatures in the index that are similar to this one. `first`: only the first that is found. */
  find(signature: Uint32Array, first = false): number[] {
    const found = new Set<number>();
    const seen = new Set<number>();
    const mask = this.#slots.length - 1;
    for (let band = 0; band < BANDS; band++) {
      // A band that very many share says little.
      let left = MOST_CANDIDATES;
      let slot = this.#keyOf(signature, 0, band) & mask;
      for (; this.#slots[slot] !== 0 && left > 0; slot = (slot + 1) & mask) {
        left--;
        const candidate = this.#slots[slot] - 1;
        if (seen.has(candidate)) continue;
        seen.add(candidate);
        if (this.#similarity(signature, candidate) < this.#threshold) continue;
        found.add(candidate);
        if (first) return [candidate];
      }
    }
    return [...found].sort((a, b) => a - b);
  }

  /** Returns the number of the signature: they are counted from 0. */
  add(signature: Uint32Array): number {
    const at = this.#size * this.#words;
    if (at + this.#words > this.#signatures.length) this.#signatures = larger(this.#signatures);
    this.#signatures.set(signature, at);
    if ((this.#used + BANDS) * 2 > this.#slots.length) this.#grow();
    this.#insert(this.#size);
    return this.#size++;
  }

  #insert(number: number): void {
    const mask = this.#slots.length - 1;
    for (let band = 0; band < BANDS; band++) {
      let slot = this.#keyOf(this.#signatures, number * this.#words, band) & mask;
      // What stands further behind is not found, and would make crowded bands slower and slower.
      let left = MOST_CANDIDATES;
      while (this.#slots[slot] !== 0 && --left > 0) slot = (slot + 1) & mask;
      if (left === 0) continue;
      this.#slots[slot] = number + 1;
      this.#used++;
    }
  }

  #grow(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    this.#used = 0;
    for (let number = 0; number < this.#size; number++) this.#insert(number);
  }

  /** The hash of a band of the signature at `from`. */
  #keyOf(signatures: Uint32Array, from: number, band: number): number {
    const words = this.#words / BANDS;
    let hash = band;
    for (let i = 0; i < words; i++) hash = mix(Math.imul(hash, 0x85ebca6b) + signatures[from + band * words + i]);
    return hash;
  }

  /** Minima of different texts agree in their byte by chance once in 256. */
  #similarity(signature: Uint32Array, candidate: number): number {
    let equal = 0;
    for (let i = 0; i < this.#words; i++) {
      const difference = signature[i] ^ this.#signatures[candidate * this.#words + i];
      for (let shift = 0; shift < 32; shift += 8) if (((difference >>> shift) & 255) === 0) equal++;
    }
    return (equal / this.#minima - 1 / 256) / (1 - 1 / 256);
  }
}

const MOST_CANDIDATES = 64;

const wordsOf = ({ rows }: NearSettings): number => (BANDS * rows) / 4;

function larger(array: Uint32Array): Uint32Array {
  const copy = new Uint32Array(array.length * 2);
  copy.set(array);
  return copy;
}

function hashWord(word: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** Spreads every bit over all 32. */
function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}
