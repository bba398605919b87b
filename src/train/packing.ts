/**
 * Which documents are computed together. One epoch's plan puts every document, in an order drawn from the seed, into
 * batches of at most `rows` rows: whole sequences side by side, never one document's tokens before another's attention.
 * The plan is a function of lengths, seed and epoch alone, so that a place in it (epoch, batch) is all that resuming needs.
 *
 * Best-fit decreasing within windows of some batches: full batches without giving up the random order.
 */
import { KaiwenError } from '../errors.js';
import { Random } from '../generate/random.js';

export interface PackingOptions {
  /** Most rows of a batch. */
  rows: number;
  /** Most rows of a sequence. */
  context: number;
  seed: number;
  /** Long documents go on in another sequence (text); else what is beyond the context is not trained on. */
  split: boolean;
  /** Documents that stay in one batch, in order: 2 for preference pairs. Default 1. */
  group?: number;
  /** False: as the documents stand, for validation. Default true. */
  shuffle?: boolean;
}

/** A part of a document that becomes one sequence. */
export interface Piece {
  document: number;
  /** First token. */
  from: number;
  /** Rows: tokens less one, the last is only predicted. */
  rows: number;
}

export interface Lengths {
  readonly documents: number;
  /** Tokens of a document. */
  length(document: number): number;
}

/** Batches' worth of rows that are packed together. */
const WINDOW = 32;

export class EpochPlan {
  readonly batches: number;
  readonly #documents: Uint32Array;
  readonly #froms: Uint32Array;
  readonly #rows: Uint32Array;
  readonly #starts: Uint32Array;

  constructor(lengths: Lengths, epoch: number, options: PackingOptions) {
    const packer = new Packer(options, new Random(options.seed + epoch * 2 ** 32));
    for (const unit of order(lengths, options, packer.random)) packer.add(unitPieces(lengths, unit, options));
    packer.finish();
    this.#documents = Uint32Array.from(packer.packed, ({ document }) => document);
    this.#froms = Uint32Array.from(packer.packed, ({ from }) => from);
    this.#rows = Uint32Array.from(packer.packed, ({ rows }) => rows);
    this.#starts = Uint32Array.from([...packer.starts, packer.packed.length]);
    this.batches = packer.starts.length;
  }

  /** The sequences of a batch. */
  batch(index: number): Piece[] {
    const pieces: Piece[] = [];
    for (let i = this.#starts[index]; i < this.#starts[index + 1]; i++) {
      pieces.push({ document: this.#documents[i], from: this.#froms[i], rows: this.#rows[i] });
    }
    return pieces;
  }

  /** Share of the rows of all batches that hold a token. */
  fill(rows: number): number {
    return this.#rows.reduce((sum, n) => sum + n, 0) / Math.max(1, this.batches * rows);
  }
}

/** First documents of all groups, shuffled. */
function order({ documents }: Lengths, { group = 1, shuffle = true }: PackingOptions, random: Random): Uint32Array {
  const units = new Uint32Array(Math.floor(documents / group)).map((_, i) => i * group);
  if (shuffle) shuffleInPlace(units, random);
  return units;
}

function shuffleInPlace<T>(items: { length: number; [index: number]: T }, random: Random): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1));
    [items[i], items[j]] = [items[j], items[i]];
  }
}

/** What of a group is trained on: units that must each stay whole. */
function unitPieces(lengths: Lengths, first: number, { group = 1, context, split }: PackingOptions): Piece[][] {
  if (group > 1) {
    const pieces: Piece[] = [];
    for (let document = first; document < first + group; document++) {
      pieces.push({ document, from: 0, rows: Math.min(lengths.length(document) - 1, context) });
    }
    return pieces.every(({ rows }) => rows > 0) ? [pieces] : [];
  }
  const units: Piece[][] = [];
  const all = lengths.length(first) - 1;
  for (let from = 0; from < all; from += context) {
    units.push([{ document: first, from, rows: Math.min(context, all - from) }]);
    if (!split) break;
  }
  return units;
}

interface Bin {
  room: number;
  units: Piece[][];
}

class Packer {
  readonly packed: Piece[] = [];
  /** Where each batch begins in `packed`. */
  readonly starts: number[] = [];
  #window: Piece[][] = [];
  #rows = 0;

  constructor(
    private readonly options: PackingOptions,
    readonly random: Random,
  ) {}

  add(units: readonly Piece[][]): void {
    const { rows, shuffle = true } = this.options;
    for (const unit of units) {
      const size = rowsOf(unit);
      if (size > rows) {
        throw new KaiwenError('bad_input', `A batch of ${rows} rows cannot hold ${size} rows that belong together.`, {
          remedy: 'Raise batch_tokens, or lower accumulate or context.',
        });
      }
      this.#window.push(unit);
      this.#rows += size;
      if (this.#rows >= (shuffle ? WINDOW : 1) * rows) this.#pack(false);
    }
  }

  finish(): void {
    while (this.#window.length > 0) this.#pack(true);
  }

  /** Puts the window into batches; the emptiest one's sequences wait for the next window unless this is the last. */
  #pack(last: boolean): void {
    const bins: Bin[] = [];
    // Stable: equal lengths keep their random order.
    for (const unit of this.#window.sort((a, b) => rowsOf(b) - rowsOf(a))) {
      const size = rowsOf(unit);
      let best: Bin | undefined;
      for (const bin of bins) if (bin.room >= size && (!best || bin.room < best.room)) best = bin;
      if (!best) bins.push((best = { room: this.options.rows, units: [] }));
      best.room -= size;
      best.units.push(unit);
    }
    this.#window = [];
    this.#rows = 0;
    if (!last && bins.length > 1) {
      const emptiest = bins.reduce((a, b) => (b.room > a.room ? b : a));
      bins.splice(bins.indexOf(emptiest), 1);
      this.#window = emptiest.units;
      this.#rows = this.options.rows - emptiest.room;
    }
    // The longest documents went into the first batches.
    if (this.options.shuffle !== false) shuffleInPlace(bins, this.random);
    for (const { units } of bins) {
      this.starts.push(this.packed.length);
      for (const unit of units) this.packed.push(...unit);
    }
  }
}

function rowsOf(unit: readonly Piece[]): number {
  let sum = 0;
  for (const { rows } of unit) sum += rows;
  return sum;
}
