/**
 * Draws the next token from a step's logits. One sampler serves one answer: it remembers the tokens that its
 * penalties count. Order: logit bias; repetition penalty; frequency and presence penalties; then greedy, or
 * temperature, top-k, top-p, min-p (filters.ts) and a draw. Same parameters, seed and logits: same tokens.
 *
 * Log-probabilities are those of the model's own distribution, before everything above.
 */
import { KaiwenError } from '../errors.js';
import type { SamplingParams } from './engine.js';
import { argmax, Candidates, largest } from './filters.js';
import { Random } from './random.js';

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
   * log-probability and this many most likely ones. Throws KaiwenError 'internal' on logits that are not numbers.
   */
  next(logits: Float32Array, logprobs?: number): Sample {
    const report = logprobs === undefined ? undefined : logProbabilities(logits, logprobs);
    this.#adjust(logits);
    const { temperature } = this.#params;
    let id: number;
    if (this.#candidates && temperature > 0) {
      this.#candidates.select(logits, this.#params);
      id = this.#candidates.draw(this.#random.next());
    } else {
      id = argmax(logits);
    }
    this.#answer.set(id, (this.#answer.get(id) ?? 0) + 1);
    if (this.#params.repetitionPenalty !== 1) this.#seen.add(id);
    return report ? { id, logprob: report.of(id), top: report.top } : { id };
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
