/**
 * Direct preference optimisation (arXiv:2305.18290): raises the chosen answer over the rejected one, relative to what
 * the model said of both before. Those reference numbers are computed once, from the initial weights, and kept in a file.
 *
 * The gradient with respect to a row's loss is the same for all rows of an answer and is known after a pass forward;
 * a second pass carries it back.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { replaceTarget } from '../formats/output.js';
import { type Documents, makeBatch, type PlannedBatch } from './batches.js';
import { type Objective, type SeededBatch, type Sums, weigh } from './objective.js';
import type { Trainable } from './trainable.js';

export interface PreferenceSettings {
  /** How much it costs to leave the reference. */
  beta: number;
  /** Probability that a preference is the wrong way round. */
  labelSmoothing: number;
  /** Weight of the chosen answer's mean loss, which keeps its likelihood up. */
  sft: number;
}

/** Log-likelihood of each document's weighted targets. */
export type LogLikelihoods = Float64Array;

export class Preference implements Objective {
  constructor(
    private readonly model: Trainable,
    private readonly settings: PreferenceSettings,
    private readonly reference: { train: LogLikelihoods; validation?: LogLikelihoods },
  ) {}

  units({ runs }: PlannedBatch): number {
    return runs.length / 2;
  }

  learn(batch: SeededBatch, units: number): Sums {
    const { beta, labelSmoothing, sft } = this.settings;
    const pairs = this.#compare(batch, this.reference.train);
    const weights = new Float32Array(batch.weights.length);
    for (const { chosen, rejected, z } of pairs) {
      // d loss / d z of -(1-ε)·log σ(z) - ε·log σ(-z).
      const pull = (1 - labelSmoothing) * sigmoid(-z) - labelSmoothing * sigmoid(z);
      scaleRun(batch, weights, chosen, (beta * pull) / units + sft / (units * weightOf(batch, chosen)));
      scaleRun(batch, weights, rejected, (-beta * pull) / units);
    }
    // Without noise: the weights belong to what the pass forward saw.
    this.model.accumulate({ ...batch, weights }, { seed: batch.seed, noisy: false });
    return this.#sums(pairs);
  }

  measure(batch: PlannedBatch): Sums {
    return this.#sums(this.#compare(batch, this.reference.validation ?? this.reference.train));
  }

  #compare(batch: PlannedBatch, reference: LogLikelihoods): Pair[] {
    const losses = this.model.forward(batch);
    const logs = batch.runs.map((_, run) => -runLoss(batch, losses, run));
    const pairs: Pair[] = [];
    for (let i = 0; i < logs.length; i += 2) {
      const gain = (run: number) => logs[run] - reference[batch.documents[run]];
      const z = this.settings.beta * (gain(i) - gain(i + 1));
      const nll = -logs[i] / weightOf(batch, i);
      pairs.push({ chosen: i, rejected: i + 1, z, nll });
    }
    return pairs;
  }

  #sums(pairs: readonly Pair[]): Sums {
    const { labelSmoothing, sft } = this.settings;
    const total = (of: (pair: Pair) => number) => pairs.reduce((sum, pair) => sum + of(pair), 0);
    return {
      loss: total(
        ({ z, nll }) => (1 - labelSmoothing) * softplus(-z) + labelSmoothing * softplus(z) + (sft > 0 ? sft * nll : 0),
      ),
      more: {
        accuracy: total(({ z }) => (z > 0 ? 1 : 0)),
        margin: total(({ z }) => z),
        chosenLoss: total((p) => p.nll),
      },
    };
  }
}

interface Pair {
  chosen: number;
  rejected: number;
  /** β · (gain of the chosen answer - gain of the rejected one). */
  z: number;
  /** Mean loss of the chosen answer. */
  nll: number;
}

function runLoss({ runs, weights }: PlannedBatch, losses: Float32Array, run: number): number {
  const { row, rows } = runs[run];
  return weigh(losses.subarray(row, row + rows), weights.subarray(row, row + rows));
}

function weightOf({ runs, weights }: PlannedBatch, run: number): number {
  const { row, rows } = runs[run];
  return weights.subarray(row, row + rows).reduce((sum, weight) => sum + weight, 0) || 1;
}

function scaleRun({ runs, weights }: PlannedBatch, into: Float32Array, run: number, factor: number): void {
  const { row, rows } = runs[run];
  for (let i = row; i < row + rows; i++) into[i] = factor * weights[i];
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** log(1 + eˣ) = -log σ(-x). */
function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** The reference of a corpus: read from `path` where it was kept for the same `key`, else computed with the model as it is. */
export async function referenceOf(
  model: Trainable,
  documents: Documents,
  sizes: { context: number; rows: number; vocabSize: number },
  { path, key, signal }: { path: string; key: string; signal?: AbortSignal },
): Promise<LogLikelihoods> {
  const stamp = createHash('sha256').update(key).digest();
  if (existsSync(path)) {
    const bytes = readFileSync(path);
    if (bytes.length === stamp.length + 8 * documents.documents && bytes.subarray(0, stamp.length).equals(stamp)) {
      return new Float64Array(bytes.buffer.slice(bytes.byteOffset + stamp.length, bytes.byteOffset + bytes.length));
    }
  }
  const values = new Float64Array(documents.documents);
  for (const batch of inOrder(documents, sizes)) {
    const losses = model.forward(batch);
    batch.runs.forEach((_, run) => {
      values[batch.documents[run]] = -runLoss(batch, losses, run);
    });
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
  }
  await replaceTarget(path, { force: true }, async (temporary) => {
    writeFileSync(temporary, Buffer.concat([stamp, new Uint8Array(values.buffer)]));
  });
  return values;
}

/** All documents, as many at a time as a batch holds, cut as in training. */
function* inOrder(
  documents: Documents,
  { context, rows, vocabSize }: { context: number; rows: number; vocabSize: number },
): Generator<PlannedBatch> {
  let pieces: { document: number; from: number; rows: number }[] = [];
  let filled = 0;
  for (let document = 0; document <= documents.documents; document++) {
    const wanted = document < documents.documents ? Math.min(documents.length(document) - 1, context) : rows;
    if (filled + wanted > rows && pieces.length > 0) {
      yield makeBatch(documents, pieces, vocabSize);
      pieces = [];
      filled = 0;
    }
    if (document < documents.documents && wanted > 0) pieces.push({ document, from: 0, rows: wanted });
    filled += wanted;
  }
}
