/** Answers tasks with a loaded model and its one sequence: generation, logits, scores, embeddings, timing. */
import { KaiwenError } from '../errors.js';
import type { DoneEvent, FinishReason, GenerateRequest, TokenEvent } from './engine.js';
import type { LoadedModel } from './loaded-model.js';
import type { Result, Task } from './messages.js';
import { RepetitionDetector } from './repetition.js';
import { Sampler } from './sampler.js';

/** Rows of logits computed at once: enough to share the head's weights, few enough to stay small. */
const HEAD_ROWS = 16;
/** A recurrent model's snapshot is taken this many tokens before a prompt's end, where the next turn still agrees. */
const SNAPSHOT_MARGIN = 16;

/** Asked between steps: true if the task should stop. */
export type Stopped = () => Promise<boolean>;

export class Session {
  constructor(private readonly model: LoadedModel) {}

  async *generate(request: GenerateRequest, stopped: Stopped): AsyncGenerator<TokenEvent | DoneEvent> {
    const { runner, sequence, definition, info } = this.model;
    const { tokens: prompt, stopTokens, maxTokens } = request;
    this.checkTokens(prompt, info.context - 1);
    const sampler = new Sampler(request.sampling, definition.vocabSize, prompt);
    const repetition = request.detectRepetition ? new RepetitionDetector() : undefined;
    const stop = new Set(stopTokens);

    const started = performance.now();
    const cachedTokens = sequence.reuse(prompt, definition.rope.key(prompt.length));
    let completionTokens = 0;
    let decodeStarted = started;
    const done = (reason: FinishReason): DoneEvent => {
      const now = performance.now();
      const [prefillMs, decodeMs] = [decodeStarted - started, now - decodeStarted];
      return {
        type: 'done',
        reason,
        stats: { promptTokens: prompt.length, cachedTokens, completionTokens, prefillMs, decodeMs },
      };
    };

    let logits: Float32Array | undefined;
    for (const { from, to } of this.chunks(cachedTokens, prompt.length)) {
      if (await stopped()) return yield done('aborted');
      logits = this.guard(() =>
        runner.forward(prompt.slice(from, to), prompt.length, (hidden) =>
          to === prompt.length ? runner.logits(hidden, to - from - 1, 1) : undefined,
        ),
      );
      if (sequence.isRecurrent && to === prompt.length - SNAPSHOT_MARGIN) sequence.snapshot();
    }
    decodeStarted = performance.now();

    for (;;) {
      if (completionTokens >= maxTokens) return yield done('length');
      const { id, logprob, top } = sampler.next(logits!, request.logprobs);
      if (stop.has(id)) return yield done('stop');
      completionTokens++;
      yield { type: 'token', id, logprob, top };
      if (repetition?.push(id)) return yield done('repetition');
      if (completionTokens >= maxTokens || sequence.position >= info.context) return yield done('length');
      if (await stopped()) return yield done('aborted');
      logits = this.guard(() => runner.forward([id], prompt.length, (hidden) => runner.logits(hidden, 0, 1)));
    }
  }

  async compute(task: Exclude<Task, { kind: 'generate' }>, stopped: Stopped): Promise<Result> {
    switch (task.kind) {
      case 'logits':
        return this.logits(task.tokens, task.chunk, stopped);
      case 'score':
        return this.score(task.tokens, stopped);
      case 'embed':
        return this.embed(task.tokens, stopped);
      case 'bench':
        return this.bench(task, stopped);
    }
  }

  private async logits(tokens: readonly number[], chunk: number | undefined, stopped: Stopped): Promise<Float32Array> {
    const { vocabSize } = this.model.definition;
    const bytes = 4 * tokens.length * vocabSize;
    if (bytes > 2 ** 32)
      throw new KaiwenError('bad_input', `Logits of ${tokens.length} tokens would need ${bytes} bytes.`);
    this.checkTokens(tokens, this.model.info.context);
    const all = new Float32Array(tokens.length * vocabSize);
    await this.eachRow(tokens, chunk, stopped, (row, logits) => all.set(logits, row * vocabSize));
    return all;
  }

  private async score(tokens: readonly number[], stopped: Stopped): Promise<Float32Array> {
    this.checkTokens(tokens, this.model.info.context);
    const scores = new Float32Array(tokens.length - 1);
    await this.eachRow(tokens, undefined, stopped, (row, logits) => {
      if (row < scores.length) scores[row] = logits[tokens[row + 1]] - logSumExp(logits);
    });
    return scores;
  }

  private async embed(tokens: readonly number[], stopped: Stopped): Promise<Float32Array> {
    this.checkTokens(tokens, this.model.info.context);
    const { runner, sequence, definition } = this.model;
    const cached = sequence.reuse(tokens, definition.rope.key(tokens.length));
    let result: Float32Array | undefined;
    for (const { from, to } of this.chunks(cached, tokens.length)) {
      if (await stopped()) throw new KaiwenError('aborted', 'Cancelled.');
      result = this.guard(() =>
        runner.forward(tokens.slice(from, to), tokens.length, (hidden) =>
          runner.normalized(hidden, to - from - 1, 1).slice(),
        ),
      );
    }
    return result!;
  }

  private async bench(task: { prompt: number; decode: number; repeat: number }, stopped: Stopped): Promise<Result> {
    const { runner, sequence, definition, info } = this.model;
    const { prompt, decode, repeat } = task;
    if (prompt + decode > info.context || prompt < 1 || decode < 0) {
      throw new KaiwenError(
        'context_overflow',
        `${prompt} + ${decode} tokens do not fit the context of ${info.context}.`,
        {
          remedy: 'Give a larger --context or a smaller --prompt.',
        },
      );
    }
    const tokens = Array.from({ length: prompt }, (_, i) => (i * 7919 + 13) % definition.vocabSize);
    const prefillMs: number[] = [];
    const decodeMs: number[] = [];
    for (let run = 0; run < repeat; run++) {
      sequence.reset(definition.rope.key(prompt));
      let start = performance.now();
      for (const { from, to } of this.chunks(0, prompt)) {
        if (await stopped()) throw new KaiwenError('aborted', 'Cancelled.');
        runner.forward(
          tokens.slice(from, to),
          prompt,
          (hidden) => to === prompt && runner.logits(hidden, to - from - 1, 1),
        );
      }
      prefillMs.push(performance.now() - start);
      start = performance.now();
      for (let i = 0; i < decode; i++) {
        if (await stopped()) throw new KaiwenError('aborted', 'Cancelled.');
        runner.forward([tokens[i % prompt]], prompt, (hidden) => runner.logits(hidden, 0, 1));
      }
      decodeMs.push(performance.now() - start);
    }
    return { prefillMs, decodeMs };
  }

  /** Computes a fresh sequence and hands over the logits of every row. */
  private async eachRow(
    tokens: readonly number[],
    chunk: number | undefined,
    stopped: Stopped,
    use: (row: number, logits: Float32Array) => void,
  ): Promise<void> {
    const { runner, sequence, definition } = this.model;
    const { vocabSize } = definition;
    sequence.reset(definition.rope.key(tokens.length));
    for (const { from, to } of this.chunks(0, tokens.length, chunk)) {
      if (await stopped()) throw new KaiwenError('aborted', 'Cancelled.');
      this.guard(() =>
        runner.forward(tokens.slice(from, to), tokens.length, (hidden) => {
          for (let row = from; row < to; row += HEAD_ROWS) {
            const rows = Math.min(HEAD_ROWS, to - row);
            const logits = runner.logits(hidden, row - from, rows);
            for (let i = 0; i < rows; i++) use(row + i, logits.subarray(i * vocabSize, (i + 1) * vocabSize));
          }
        }),
      );
    }
  }

  /** Cuts [from, to) into prefill steps; for recurrent models one step ends where the snapshot is taken. */
  private *chunks(from: number, to: number, chunk = this.model.chunk): Generator<{ from: number; to: number }> {
    const size = Math.max(1, Math.min(chunk, this.model.chunk));
    const snapshot = this.model.sequence.isRecurrent ? to - SNAPSHOT_MARGIN : 0;
    while (from < to) {
      let end = Math.min(from + size, to);
      if (from < snapshot && snapshot < end) end = snapshot;
      yield { from, to: end };
      from = end;
    }
  }

  /** A step that fails half-way leaves recurrent state and cache in doubt: start over from nothing. */
  private guard<T>(step: () => T): T {
    try {
      return step();
    } catch (error) {
      this.model.sequence.reset(0);
      throw error;
    }
  }

  private checkTokens(tokens: readonly number[], limit: number): void {
    const { vocabSize } = this.model.definition;
    if (tokens.length === 0)
      throw new KaiwenError('bad_input', 'The prompt is empty.', { remedy: 'Give at least one token.' });
    if (tokens.length > limit) {
      throw new KaiwenError(
        'context_overflow',
        `The prompt has ${tokens.length} tokens; the context has room for ${limit}.`,
        {
          remedy: 'Shorten it or load the model with a larger --context.',
        },
      );
    }
    for (const id of tokens) {
      if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
        throw new KaiwenError('bad_input', `Token id ${id} is not in the vocabulary of ${vocabSize}.`);
      }
    }
  }
}

function logSumExp(logits: Float32Array): number {
  let most = -Infinity;
  for (let i = 0; i < logits.length; i++) if (logits[i] > most) most = logits[i];
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - most);
  return most + Math.log(sum);
}
