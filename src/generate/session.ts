/** Answers tasks with a loaded model and its sequences: generation, logits, scores, embeddings, timing. */
import { KaiwenError } from '../errors.js';
import type { DoneEvent, GenerateRequest, TokenEvent } from './engine.js';
import { Generation } from './generation.js';
import type { Grammars } from './grammar/grammars.js';
import { adapterNamed } from './held-adapter.js';
import type { LoadedModel } from './loaded-model.js';
import type { Result, Task } from './messages.js';
import { MAX_STEP_ROWS } from './runner.js';
import { Scheduler, turn } from './scheduler.js';
import type { Sequence } from './sequence.js';
import { Slots } from './slots.js';
import { Drafter, NO_SPECULATION, newHabits } from './speculation.js';
import type { Tensor } from './tensor.js';

type BenchTask = Extract<Task, { kind: 'bench' }>;
type RowsTask = Pick<Extract<Task, { kind: 'logits' }>, 'tokens' | 'chunk' | 'adapter'> & { from?: number };

export class Session {
  private readonly slots: Slots;
  private readonly scheduler: Scheduler;
  private readonly habits = newHabits();

  /** `speculate` as in EngineOptions. `grammars`: for answers that must match one. */
  constructor(
    private readonly model: LoadedModel,
    private readonly speculate: boolean | 'always' = true,
    private readonly grammars?: Grammars,
  ) {
    const { info, definition, runner } = model;
    this.slots = new Slots(info.sequences);
    this.scheduler = new Scheduler(runner, definition.vocabSize, speculate === 'always');
  }

  /** Emits tokens as they come, then one done event, and resolves. */
  async generate(
    request: GenerateRequest,
    signal: AbortSignal,
    emit: (event: TokenEvent | DoneEvent) => void,
  ): Promise<void> {
    this.checkTokens(request.tokens, this.model.info.context - 1);
    const adapter = adapterNamed(this.model, request.adapter);
    const { grammar, stopTokens } = request;
    if (grammar && !this.grammars) throw new KaiwenError('unsupported', 'This engine knows no grammars.');
    using constraint = grammar && (await this.grammars?.open(grammar, stopTokens, signal));
    using permit = await this.slots.lend(signal);
    if (!permit) return emit(neverStarted(request));
    using sequence = this.model.cache.open(request.tokens, adapter)!;
    // What recurrent layers have taken in cannot be taken back.
    const drafts = this.speculate !== false && !sequence.isRecurrent;
    const drafter = drafts ? new Drafter(request.tokens, this.habits) : undefined;
    const generation = new Generation(request, sequence, this.model, drafter, constraint);
    await this.scheduler.run(generation, signal, emit);
  }

  /** Throws KaiwenError 'aborted' within a step of `signal` saying so. */
  async compute(task: Exclude<Task, { kind: 'generate' }>, signal: AbortSignal): Promise<Result> {
    switch (task.kind) {
      case 'logits':
        return this.logits(task, signal);
      case 'score':
        return this.score(task, signal);
      case 'embed':
        return this.embed(task, signal);
      case 'bench':
        return this.bench(task, signal);
    }
  }

  private async logits(task: Extract<Task, { kind: 'logits' }>, signal: AbortSignal): Promise<Float32Array> {
    const { tokens } = task;
    const { vocabSize } = this.model.definition;
    const bytes = 4 * tokens.length * vocabSize;
    if (bytes > 2 ** 32)
      throw new KaiwenError('bad_input', `Logits of ${tokens.length} tokens would need ${bytes} bytes.`);
    this.checkTokens(tokens, this.model.info.context);
    const all = new Float32Array(tokens.length * vocabSize);
    await this.eachRow(task, signal, (row, logits) => all.set(logits, row * vocabSize));
    return all;
  }

  private async score(task: Extract<Task, { kind: 'score' }>, signal: AbortSignal): Promise<Float32Array> {
    const { tokens, from = 1 } = task;
    this.checkTokens(tokens, this.model.info.context);
    if (!(from >= 1 && from <= tokens.length)) throw new KaiwenError('bad_input', `No token ${from} can be scored.`);
    const scores = new Float32Array(tokens.length - from);
    await this.eachRow(task, signal, (row, logits) => {
      const next = row + 1;
      if (next < tokens.length) scores[next - from] = logits[tokens[next]] - logSumExp(logits);
    });
    return scores;
  }

  private async embed(task: Extract<Task, { kind: 'embed' }>, signal: AbortSignal): Promise<Float32Array> {
    const { tokens } = task;
    this.checkTokens(tokens, this.model.info.context);
    const { runner, cache, chunk } = this.model;
    const adapter = adapterNamed(this.model, task.adapter);
    using _permit = await this.permit(signal);
    using sequence = cache.open(tokens, adapter)!;
    let result = new Float32Array(0);
    await this.fill(sequence, tokens, chunk, signal, (hidden) => {
      if (sequence.position === tokens.length) result = runner.normalized(hidden, hidden.rows - 1, 1).slice();
    });
    return result;
  }

  private async bench(task: BenchTask, signal: AbortSignal): Promise<Result> {
    const { prompt, decode, repeat, sequences, reuse } = task;
    const { runner, definition, cache, info, chunk } = this.model;
    if (prompt + decode > info.context || prompt < 1 || decode < 0) {
      throw new KaiwenError(
        'context_overflow',
        `${prompt} + ${decode} tokens do not fit the context of ${info.context}.`,
        {
          remedy: 'Give a larger --context or a smaller --prompt.',
        },
      );
    }
    if (sequences < 1 || sequences > info.sequences) {
      throw new KaiwenError('usage', `${sequences} sequences do not fit an engine of ${info.sequences}.`, {
        remedy: 'Load the model with more sequences.',
      });
    }
    const tokens = Array.from({ length: prompt }, (_, i) => (i * 7919 + 13) % definition.vocabSize);
    using _permit = await this.permit(signal, sequences);
    const prefillMs: number[] = [];
    const decodeMs: number[] = [];
    for (let run = 0; run < repeat; run++) {
      let start = performance.now();
      const parallel: Sequence[] = [];
      try {
        for (let i = 0; i < sequences; i++) {
          const sequence = cache.open(tokens, undefined, reuse ? prompt - 1 : 0)!;
          parallel.push(sequence);
          await this.fill(sequence, tokens, chunk, signal, (hidden) => {
            if (sequence.position === prompt) runner.logits(hidden, hidden.rows - 1, 1);
          });
        }
        prefillMs.push(performance.now() - start);
        start = performance.now();
        for (let i = 0; i < decode; i++) {
          await this.turn(signal);
          const parts = parallel.map((sequence) => ({ sequence, tokens: [tokens[i % prompt]] }));
          runner.forward(parts, (hidden) => runner.logits(hidden, 0, hidden.rows));
        }
        decodeMs.push(performance.now() - start);
      } finally {
        for (const sequence of parallel) sequence[Symbol.dispose]();
      }
    }
    return { prefillMs, decodeMs };
  }

  /**
   * Computes a sequence and hands over the logits of every row, or of those that predict the tokens from `from` on;
   * the rows before need not be computed where a sequence knows them.
   */
  private async eachRow(
    { tokens, chunk = this.model.chunk, adapter, from = 1 }: RowsTask,
    signal: AbortSignal,
    use: (row: number, logits: Float32Array) => void,
  ): Promise<void> {
    const { runner, cache, definition } = this.model;
    const { vocabSize } = definition;
    const held = adapterNamed(this.model, adapter);
    using _permit = await this.permit(signal);
    using sequence = cache.open(tokens, held, from - 1)!;
    const size = Math.max(1, Math.min(chunk, this.model.chunk));
    await this.fill(sequence, tokens, size, signal, (hidden) => {
      const first = sequence.position - hidden.rows;
      // Enough at once to share the head's weights, few enough to stay small.
      for (let at = Math.max(0, from - 1 - first); at < hidden.rows; at += MAX_STEP_ROWS) {
        const rows = Math.min(MAX_STEP_ROWS, hidden.rows - at);
        const logits = runner.logits(hidden, at, rows);
        for (let i = 0; i < rows; i++) use(first + at + i, logits.subarray(i * vocabSize, (i + 1) * vocabSize));
      }
    });
  }

  /** Computes what `sequence` lacks of `tokens`, `size` at a time; `use` gets the hidden states of each step. */
  private async fill(
    sequence: Sequence,
    tokens: readonly number[],
    size: number,
    signal: AbortSignal,
    use: (hidden: Tensor) => void,
  ): Promise<void> {
    while (sequence.position < tokens.length) {
      await this.turn(signal);
      const part = { sequence, tokens: tokens.slice(sequence.position, sequence.stepEnd(size)) };
      this.model.runner.forward([part], use);
    }
  }

  private async permit(signal: AbortSignal, count?: number): Promise<Disposable> {
    const permit = await this.slots.lend(signal, count);
    if (!permit) throw cancelled();
    return permit;
  }

  private async turn(signal: AbortSignal): Promise<void> {
    await turn();
    if (signal.aborted) throw cancelled();
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

function cancelled(): KaiwenError {
  return new KaiwenError('aborted', 'Cancelled.');
}

function neverStarted({ tokens }: GenerateRequest): DoneEvent {
  const none = { cachedTokens: 0, completionTokens: 0, prefillMs: 0, decodeMs: 0, speculation: NO_SPECULATION };
  return { type: 'done', reason: 'aborted', stats: { promptTokens: tokens.length, ...none } };
}

function logSumExp(logits: Float32Array): number {
  let most = -Infinity;
  for (let i = 0; i < logits.length; i++) if (logits[i] > most) most = logits[i];
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - most);
  return most + Math.log(sum);
}
