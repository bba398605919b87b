/** What a server has done since it started, added up over its answers: `GET /stats`. */
import type { EngineInfo, GenerateStats } from '../generate/engine.js';

export class Totals {
  readonly #started = performance.now();
  #answers = 0;
  readonly #sum = {
    prompt_tokens: 0,
    cached_tokens: 0,
    completion_tokens: 0,
    prefill_ms: 0,
    decode_ms: 0,
    speculation: { steps: 0, drafted: 0, accepted: 0 },
  };

  /** Takes down an answer that has ended, of itself or because it was told to. */
  add(stats: GenerateStats): void {
    this.#answers++;
    const sum = this.#sum;
    sum.prompt_tokens += stats.promptTokens;
    sum.cached_tokens += stats.cachedTokens;
    sum.completion_tokens += stats.completionTokens;
    sum.prefill_ms += stats.prefillMs;
    sum.decode_ms += stats.decodeMs;
    const { steps, drafted, accepted } = stats.speculation;
    sum.speculation.steps += steps;
    sum.speculation.drafted += drafted;
    sum.speculation.accepted += accepted;
  }

  /** The response: the model and how it computes, then the sums. */
  report(model: string, info: EngineInfo | undefined, requests: { total: number; running: number }): object {
    const { prefill_ms, decode_ms, ...counts } = this.#sum;
    const times = { prefill_ms: round(prefill_ms), decode_ms: round(decode_ms) };
    const uptime_s = round((performance.now() - this.#started) / 1000);
    const { threads, simd, native, kv } = info ?? {};
    return { model, threads, simd, native, kv, uptime_s, requests, answers: this.#answers, ...counts, ...times };
  }
}

/** To thousandths. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
