/**
 * Documents → batches. Reads the documents of a plan's batch, makes rows with targets and weights of them, and
 * knows the place to go on from.
 */
import { KaiwenError } from '../errors.js';
import { EpochPlan, type Lengths, type PackingOptions, type Piece } from './packing.js';
import type { Run, TrainBatch } from './trainable.js';

/** Tokens of a document; `weights[i]` / 255 is the weight of token i as a target (all 1 where absent). */
export interface TokenDocument {
  ids: Uint32Array | Uint16Array;
  weights?: Uint8Array;
}

/** A tokenised corpus, of which only one batch's documents are in memory. */
export interface Documents extends Lengths {
  document(index: number): TokenDocument;
  /** Where a document came from, for messages. */
  describe(index: number): string;
}

/** Where to read on. */
export interface Position {
  epoch: number;
  batch: number;
}

export interface PlannedBatch extends TrainBatch {
  /** The document of each run. */
  documents: readonly number[];
  /** Σ weights, 1 for a plain target. */
  weight: number;
}

export class Batches {
  #plan: EpochPlan | undefined;
  #planned = -1;
  #position: Position = { epoch: 0, batch: 0 };

  constructor(
    readonly documents: Documents,
    private readonly options: PackingOptions & { vocabSize: number },
  ) {}

  /** The place of the batch that `next` gives. */
  get position(): Position {
    return { ...this.#position };
  }

  set position(position: Position) {
    this.#position = { ...position };
  }

  /** Batches of an epoch. Throws KaiwenError 'bad_input' if there is nothing to train on. */
  count(epoch: number): number {
    return this.#epoch(epoch).batches;
  }

  /** Share of the rows that hold a token, in the first epoch. */
  get fill(): number {
    return this.#epoch(0).fill(this.options.rows);
  }

  /** The next batch; epochs follow one another without end. */
  next(): PlannedBatch {
    const { epoch, batch } = this.#position;
    const plan = this.#epoch(epoch);
    const pieces = plan.batch(batch);
    this.#position = batch + 1 < plan.batches ? { epoch, batch: batch + 1 } : { epoch: epoch + 1, batch: 0 };
    return makeBatch(this.documents, pieces, this.options.vocabSize);
  }

  #epoch(epoch: number): EpochPlan {
    if (this.#planned !== epoch || !this.#plan) {
      this.#plan = new EpochPlan(this.documents, epoch, this.options);
      this.#planned = epoch;
      if (this.#plan.batches === 0) {
        throw new KaiwenError('bad_input', 'The data hold no document of two tokens or more.', {
          remedy: 'Look at them with `kaiwen data preview`.',
        });
      }
    }
    return this.#plan;
  }
}

/** The rows of some sequences. Rows behind a document's last target are left out: nothing would be learned from them. */
export function makeBatch(documents: Documents, pieces: readonly Piece[], vocabSize: number): PlannedBatch {
  const total = pieces.reduce((sum, { rows }) => sum + rows, 0);
  const ids = new Int32Array(total);
  const targets = new Int32Array(total);
  const weights = new Float32Array(total);
  const runs: Run[] = [];
  let row = 0;
  let weight = 0;
  for (const piece of pieces) {
    const first = row;
    const { ids: tokens, weights: marks } = documents.document(piece.document);
    let rows = piece.rows;
    if (marks) while (rows > 1 && marks[piece.from + rows] === 0) rows--;
    for (let i = piece.from; i < piece.from + rows; i++, row++) {
      const mark = marks ? marks[i + 1] : 255;
      ids[row] = checkToken(tokens[i], vocabSize, documents, piece.document);
      targets[row] = mark === 0 ? -1 : checkToken(tokens[i + 1], vocabSize, documents, piece.document);
      weights[row] = mark / 255;
      weight += mark / 255;
    }
    runs.push({ row: first, rows });
  }
  return {
    ...{
      ids: ids.subarray(0, row),
      targets: targets.subarray(0, row),
      weights: weights.subarray(0, row),
      runs,
      weight,
    },
    documents: pieces.map(({ document }) => document),
  };
}

function checkToken(id: number, vocabSize: number, documents: Documents, document: number): number {
  if (id < vocabSize) return id;
  throw new KaiwenError('bad_file', `${documents.describe(document)}: token ${id}, but the model has ${vocabSize}.`, {
    remedy: "Prepare the data with the model's own tokenizer.",
  });
}
