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

/** The tokens that may be drawn. Reused from step to step; `ids` and `weights` are valid up to `size`. */
export class Candidates {
  size = 0;
  readonly ids: Int32Array;
  /** Proportional to probability; the most likely token has 1. */
  readonly weights: Float64Array;
  /** For top-p: the bucket of each candidate, and the mass in each bucket. */
  readonly #bucketOf: Uint16Array;
  readonly #mass = new Float64Array(BUCKETS);

  constructor(vocabSize: number, params: FilterParams) {
    const room = params.topK > 0 ? Math.min(params.topK, vocabSize) : vocabSize;
    this.ids = new Int32Array(room);
    this.weights = new Float64Array(room);
    this.#bucketOf = new Uint16Array(params.topP < 1 ? room : 0);
  }

  /** Fills the candidates from adjusted logits; temperature must be above 0. */
  select(logits: Float32Array, params: FilterParams): void {
    const best = logits[argmax(logits)];
    const scale = 1 / params.temperature;
    const floor = params.minP > 0 ? Math.log(params.minP) - 1e-9 : Number.NEGATIVE_INFINITY;
    // Min-p may go first where no top-p measures the mass that it would remove.
    const horizon = params.topP < 1 ? -HORIZON : Math.max(-HORIZON, floor);
    const { ids, weights } = this;
    const bucketOf = this.#bucketOf;
    const partial = params.topK > 0 && params.topK < logits.length;
    const found = partial ? largest(logits, params.topK, ids) : logits.length;
    if (partial) ids.subarray(0, found).sort();
    let size = 0;
    for (let i = 0; i < found; i++) {
      const id = partial ? ids[i] : i;
      // The best has distance 0 even where a tiny temperature makes the scale infinite.
      const distance = logits[id] === best ? 0 : (logits[id] - best) * scale;
      if (!(distance >= horizon)) continue;
      ids[size] = id;
      weights[size] = Math.exp(distance);
      if (params.topP < 1) bucketOf[size] = Math.min(BUCKETS - 1, -distance * (BUCKETS / HORIZON));
      size++;
    }
    this.size = size;
    if (params.topP < 1) this.#keepNucleus(logits, params.topP);
    if (params.minP > 0) this.#keep((i) => weights[i] >= params.minP);
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

  /** The fewest most likely tokens whose mass reaches `topP`: a token stays if the mass before it is below. */
  #keepNucleus(logits: Float32Array, topP: number): void {
    const { ids, weights, size } = this;
    const bucketOf = this.#bucketOf;
    const massOf = this.#mass.fill(0);
    let total = 0;
    for (let i = 0; i < size; i++) {
      massOf[bucketOf[i]] += weights[i];
      total += weights[i];
    }
    const target = topP * total;
    let mass = 0;
    let edge = 0;
    while (edge < BUCKETS - 1 && mass + massOf[edge] < target) mass += massOf[edge++];
    const boundary: number[] = [];
    for (let i = 0; i < size; i++) if (bucketOf[i] === edge) boundary.push(i);
    boundary.sort((a, b) => logits[ids[b]] - logits[ids[a]] || ids[a] - ids[b]);
    const kept = new Set<number>();
    for (const i of boundary) {
      if (mass >= target && (edge > 0 || kept.size > 0)) break;
      kept.add(i);
      mass += weights[i];
    }
    this.#keep((i) => bucketOf[i] < edge || kept.has(i));
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
