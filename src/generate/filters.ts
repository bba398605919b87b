/**
 * The filters of sampling: which tokens may be drawn, and with what weight. Never sorts the vocabulary: top-k is
 * a heap of k over one pass, top-p a histogram of the mass by distance from the best logit, of which only the
 * bucket on the boundary is sorted.
 *
 * Order, as in Hugging Face's transformers: temperature, top-k, top-p (of what top-k left), min-p.
 * llama.cpp applies temperature last by default, which keeps other tokens when temperature is not 1.
 */
import { KaiwenError } from '../errors.js';

export interface FilterParams {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
}

/** Nats below the best logit at which a token is as good as impossible: 152,000 of them weigh less than 1e-12. */
const HORIZON = 40;
const BUCKETS = 2048;
const PER_NAT = BUCKETS / HORIZON;

/** The most likely token, the lowest id on ties. Throws KaiwenError 'internal' on NaN or +Infinity. */
export function argmax(logits: Float32Array): number {
  let best = Number.NEGATIVE_INFINITY;
  let id = -1;
  for (let i = 0; i < logits.length; i++) {
    const value = logits[i];
    // NaN fails every comparison, so it lands in this branch at no cost to the others.
    if (!(value <= best)) {
      if (!(value < Number.POSITIVE_INFINITY)) throw notFinite(value, i);
      best = value;
      id = i;
    }
  }
  if (id < 0) throw notFinite(best, 0);
  return id;
}

function notFinite(value: number, id: number): KaiwenError {
  return new KaiwenError('internal', `The model computed ${value} as the logit of token ${id}.`, {
    remedy: 'The weights are damaged or overflow: check the file, or try another quantisation of the model.',
  });
}

/** Ids of the `k` largest logits, in no order; of equal logits the lowest ids. A min-heap over one pass. */
export function largest(logits: Float32Array, k: number, ids: Int32Array): number {
  let size = 0;
  const worse = (a: number, b: number) => logits[a] < logits[b] || (logits[a] === logits[b] && a > b);
  const sink = (hole: number, id: number) => {
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= size) break;
      if (child + 1 < size && worse(ids[child + 1], ids[child])) child++;
      if (!worse(ids[child], id)) break;
      ids[hole] = ids[child];
      hole = child;
    }
    ids[hole] = id;
  };
  size = Math.min(k, logits.length);
  for (let i = 0; i < size; i++) ids[i] = i;
  for (let i = (size >> 1) - 1; i >= 0; i--) sink(i, ids[i]);
  if (size === 0) return 0;
  let threshold = logits[ids[0]];
  for (let i = size; i < logits.length; i++) {
    if (logits[i] > threshold) {
      sink(0, i);
      threshold = logits[ids[0]];
    }
  }
  return size;
}

/** One for all answers of a thread, of which hundreds may be under way: each draws before another selects. */
let shared = { ids: new Int32Array(0), weights: new Float64Array(0) };

/** The tokens that may be drawn. `ids` and `weights` are valid up to `size`, until others are selected. */
export class Candidates {
  size = 0;
  readonly ids: Int32Array;
  /** Proportional to probability; the most likely token has 1. */
  readonly weights: Float64Array;
  /** For top-p: the mass in each bucket. */
  readonly #mass = new Float64Array(BUCKETS + 1);

  constructor(vocabSize: number, params: FilterParams) {
    const room = params.topK > 0 ? Math.min(params.topK, vocabSize) : vocabSize;
    if (shared.ids.length < room) shared = { ids: new Int32Array(room), weights: new Float64Array(room) };
    this.ids = shared.ids.subarray(0, room);
    this.weights = shared.weights.subarray(0, room);
  }

  /** Fills the candidates from adjusted logits; temperature must be above 0. */
  select(logits: Float32Array, { temperature, topK, topP, minP }: FilterParams): void {
    const { ids, weights } = this;
    const best = logits[argmax(logits)];
    const scale = 1 / temperature;
    const partial = topK > 0 && topK < logits.length;
    const found = partial ? largest(logits, topK, ids) : logits.length;
    if (partial) ids.subarray(0, found).sort();

    let horizon = -HORIZON;
    let before = 0;
    let target = 0;
    if (topP < 1) {
      ({ horizon, before, target } = this.#nucleus(logits, partial ? found : 0, best, scale, topP));
    } else if (minP > 0) {
      // Where no top-p measures the mass that min-p removes, it may go first.
      horizon = Math.max(horizon, Math.log(minP) - 1e-9);
    }
    let size = 0;
    for (let i = 0; i < found; i++) {
      const id = partial ? ids[i] : i;
      // The best has distance 0 even where a tiny temperature makes the scale infinite.
      const distance = logits[id] === best ? 0 : (logits[id] - best) * scale;
      if (!(distance >= horizon)) continue;
      ids[size] = id;
      weights[size++] = Math.exp(distance);
    }
    this.size = size;
    if (topP < 1) this.#trimNucleus(logits, best, scale, horizon, before, target);
    if (minP > 0) this.#keep((i) => weights[i] >= minP);
  }

  /** Draws by a uniform number in [0, 1). */
  draw(uniform: number): number {
    const { ids, weights, size } = this;
    let total = 0;
    for (let i = 0; i < size; i++) total += weights[i];
    let left = uniform * total;
    for (let i = 0; i < size; i++) {
      left -= weights[i];
      if (left < 0) return ids[i];
    }
    return ids[size - 1];
  }

  /**
   * Top-p keeps the fewest most likely tokens whose mass reaches topP: a token stays if the mass before it is below.
   * This finds the bucket in which that happens: its far side, the mass before it, and the mass to reach.
   */
  #nucleus(logits: Float32Array, found: number, best: number, scale: number, topP: number) {
    const mass = this.#mass.fill(0);
    let total = 0;
    const count = found || logits.length;
    for (let i = 0; i < count; i++) {
      const logit = logits[found ? this.ids[i] : i];
      const distance = logit === best ? 0 : (logit - best) * scale;
      if (!(distance >= -HORIZON)) continue;
      const weight = Math.exp(distance);
      mass[bucketOf(distance)] += weight;
      total += weight;
    }
    const target = topP * total;
    let before = 0;
    let edge = 0;
    while (edge < BUCKETS && before + mass[edge] < target) before += mass[edge++];
    return { horizon: Math.max(-HORIZON, -(edge + 1) / PER_NAT), before, target };
  }

  /** Sorts what lies in the nucleus' last bucket, and drops what comes after the mass is reached. */
  #trimNucleus(
    logits: Float32Array,
    best: number,
    scale: number,
    horizon: number,
    before: number,
    target: number,
  ): void {
    const { ids, weights } = this;
    const edge = Math.round(-horizon * PER_NAT) - 1;
    const boundary: number[] = [];
    for (let i = 0; i < this.size; i++) {
      const distance = logits[ids[i]] === best ? 0 : (logits[ids[i]] - best) * scale;
      if (bucketOf(distance) >= edge) boundary.push(i);
    }
    boundary.sort((a, b) => logits[ids[b]] - logits[ids[a]] || ids[a] - ids[b]);
    const dropped = new Set<number>();
    let mass = before;
    for (const i of boundary) {
      if (mass >= target && (mass > 0 || dropped.size > 0)) dropped.add(i);
      mass += weights[i];
    }
    if (dropped.size > 0) this.#keep((i) => !dropped.has(i));
  }

  #keep(test: (index: number) => boolean): void {
    let size = 0;
    for (let i = 0; i < this.size; i++) {
      if (!test(i)) continue;
      this.ids[size] = this.ids[i];
      this.weights[size++] = this.weights[i];
    }
    this.size = size;
  }
}

/** Nats below the best to a bucket. */
function bucketOf(distance: number): number {
  return (-distance * PER_NAT) | 0;
}
