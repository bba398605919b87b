/**
 * Draws the next token from a step's logits. One sampler serves one answer: it remembers the tokens that its
 * penalties count. Order: logit bias; repetition penalty; frequency and presence penalties; then greedy, or
 * temperature, top-k, top-p, min-p (filters.ts) and a draw. Same parameters, seed and logits: same tokens.
 *
 * Under a constraint a token is drawn first and asked for then. Where it is refused, the others that are not allowed
 * lose their logits and it is drawn again: without filters this draws exactly from the model's distribution over the
 * allowed tokens, greedy takes the best of them, and filters see only what is left.
 *
 * Log-probabilities are those of the model's own distribution, before everything above.
 */
import { KaiwenError } from '../errors.js';
import type { SamplingParams } from './engine.js';
import { argmax, Candidates, largest } from './filters.js';
import { Random } from './random.js';

/** Which tokens may come next. */
export interface Allowed {
  allows(id: number): boolean;
  /** Sets logits of tokens that are not allowed to -Infinity, of all such tokens if `fully`; how many may remain. */
  restrict(logits: Float32Array, fully: boolean): { all: boolean; left: number };
}

/** Tokens that are drawn and refused one by one before all are looked at. */
const TRIES = 24;

export interface Sample {
  id: number;
  /** Natural logarithm. */
  logprob?: number;
  /** The most likely tokens, best first. */
  top?: { id: number; logprob: number }[];
}

/** Throws KaiwenError 'bad_input' naming the first parameter that makes no sense. */
export function checkSampling(params: SamplingParams, vocabSize: number): void {
  const range = (name: keyof SamplingParams, low: number, high: number, what: string, whole = false) => {
    const value = params[name];
    const good = typeof value === 'number' && value >= low && value <= high && (!whole || Number.isInteger(value));
    if (!good) throw new KaiwenError('bad_input', `${name} is ${String(value)}.`, { remedy: `It must be ${what}.` });
  };
  const largestNumber = Number.MAX_VALUE;
  range('temperature', 0, largestNumber, 'a number from 0 (greedy) up');
  range('topK', 0, largestNumber, 'a whole number from 0 (off) up', true);
  range('topP', 0, 1, 'a number from 0 to 1 (off)');
  range('minP', 0, 1, 'a number from 0 (off) to 1');
  range('repetitionPenalty', Number.MIN_VALUE, largestNumber, 'a number above 0; 1 is off');
  range('presencePenalty', -largestNumber, largestNumber, 'a finite number; 0 is off');
  range('frequencyPenalty', -largestNumber, largestNumber, 'a finite number; 0 is off');
  if (params.seed !== undefined) range('seed', -largestNumber, largestNumber, 'a finite number');
  for (const [key, bias] of Object.entries(params.logitBias ?? {})) {
    const id = Number(key);
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
      throw new KaiwenError('bad_input', `logitBias names token ${key}.`, {
        remedy: `Token ids of this model are whole numbers from 0 to ${vocabSize - 1}.`,
      });
    }
    if (typeof bias !== 'number' || Number.isNaN(bias) || bias === Number.POSITIVE_INFINITY) {
      throw new KaiwenError('bad_input', `logitBias of token ${key} is ${bias}.`, { remedy: 'It must be a number.' });
    }
  }
}

export class Sampler {
  readonly #params: SamplingParams;
  readonly #bias: [id: number, bias: number][];
  readonly #random: Random;
  readonly #candidates?: Candidates;
  /** How often the answer holds each token so far. */
  readonly #answer = new Map<number, number>();
  /** Every token of prompt and answer, each once. */
  readonly #seen: Set<number>;

  /** Throws KaiwenError 'bad_input' on parameters out of range. `prompt`: the ids that the repetition penalty counts. */
  constructor(params: SamplingParams, vocabSize: number, prompt: Iterable<number> = []) {
    checkSampling(params, vocabSize);
    this.#params = params;
    this.#bias = Object.entries(params.logitBias ?? {}).map(([id, bias]) => [Number(id), bias]);
    this.#random = new Random(params.seed);
    if (params.temperature > 0 && params.topK !== 1) this.#candidates = new Candidates(vocabSize, params);
    this.#seen = new Set(params.repetitionPenalty === 1 ? [] : prompt);
  }

  /**
   * Draws from `logits` [vocab], which are adjusted in place, and records the token. `logprobs`: report the token's
   * log-probability and this many most likely ones. Nothing is drawn where `allowed` leaves nothing. Throws
   * KaiwenError 'internal' on logits that are not numbers.
   */
  next(logits: Float32Array, logprobs?: number): Sample;
  next(logits: Float32Array, logprobs: number | undefined, allowed: Allowed | undefined): Sample | undefined;
  next(logits: Float32Array, logprobs?: number, allowed?: Allowed): Sample | undefined {
    const report = logprobs === undefined ? undefined : logProbabilities(logits, logprobs);
    this.#adjust(logits);
    let id = this.#draw(logits);
    if (allowed && !allowed.allows(id)) id = this.#drawAllowed(logits, id, allowed);
    return id < 0 ? undefined : this.#record(id, report);
  }

  /** Takes `id`, whatever the logits are, as if it had been drawn. */
  take(id: number, logits: Float32Array, logprobs?: number): Sample {
    return this.#record(id, logprobs === undefined ? undefined : logProbabilities(logits, logprobs));
  }

  #record(id: number, report?: ReturnType<typeof logProbabilities>): Sample {
    this.#answer.set(id, (this.#answer.get(id) ?? 0) + 1);
    if (this.#params.repetitionPenalty !== 1) this.#seen.add(id);
    return report ? { id, logprob: report.of(id), top: report.top } : { id };
  }

  #draw(logits: Float32Array): number {
    const { temperature } = this.#params;
    if (!this.#candidates || temperature === 0) return argmax(logits);
    this.#candidates.select(logits, this.#params);
    return this.#candidates.draw(this.#random.next());
  }

  /** Draws again after `refused` was; -1 where nothing is left. */
  #drawAllowed(logits: Float32Array, refused: number, allowed: Allowed): number {
    let known = allowed.restrict(logits, false);
    logits[refused] = -Infinity;
    for (let tries = 1; known.left > 0; tries++) {
      if (!anyLeft(logits)) return -1;
      const id = this.#draw(logits);
      if (known.all || allowed.allows(id)) return id;
      logits[id] = -Infinity;
      if (tries === TRIES) known = allowed.restrict(logits, true);
    }
    return -1;
  }

  #adjust(logits: Float32Array): void {
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = this.#params;
    for (const [id, bias] of this.#bias) logits[id] += bias;
    if (repetitionPenalty !== 1) {
      for (const id of this.#seen) logits[id] *= logits[id] > 0 ? 1 / repetitionPenalty : repetitionPenalty;
    }
    if (presencePenalty !== 0 || frequencyPenalty !== 0) {
      for (const [id, count] of this.#answer) logits[id] -= presencePenalty + frequencyPenalty * count;
    }
  }
}

function anyLeft(logits: Float32Array): boolean {
  for (let i = 0; i < logits.length; i++) if (logits[i] > -Infinity) return true;
  return false;
}

/** Log-softmax of `logits`: the `count` best, and any other as it was when this was called. */
function logProbabilities(logits: Float32Array, count: number) {
  const best = logits[argmax(logits)];
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - best);
  const norm = best + Math.log(sum);
  const ids = new Int32Array(Math.min(count, logits.length));
  largest(logits, ids.length, ids);
  const top = Array.from(ids, (id) => ({ id, logprob: logits[id] - norm }));
  top.sort((a, b) => b.logprob - a.logprob || a.id - b.id);
  const raw = logits.slice();
  return { top, of: (id: number) => raw[id] - norm };
}
