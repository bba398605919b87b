/** Answers tasks with a loaded model: generation, logits, scores, embeddings, timing. The scheduler shares it out. */
import { KaiwenError } from '../errors.js';
import type { EngineStatus, GenerateRequest } from './engine.js';
import { Generation } from './generation.js';
import type { Grammars } from './grammar/grammars.js';
import { adapterNamed } from './held-adapter.js';
import type { LoadedModel } from './loaded-model.js';
import type { Result, Task } from './messages.js';
import { Reading } from './reading.js';
import { MAX_STEP_ROWS } from './runner.js';
import { Scheduler, type SchedulerHooks } from './scheduler.js';
import { newHabits } from './speculation.js';
import { timeSteps } from './timing.js';
import type { Events } from './work.js';

type RowsTask = Pick<Extract<Task, { kind: 'logits' }>, 'tokens' | 'chunk' | 'adapter'> & { from?: number };

export class Session {
  private readonly scheduler: Scheduler;
  private readonly habits = newHabits();

  /** `speculate` as in EngineOptions. `grammars`: for answers that must match one. */
  constructor(
    private readonly model: LoadedModel,
    private readonly speculate: boolean | 'always' = true,
    private readonly grammars?: Grammars,
    hooks?: SchedulerHooks,
  ) {
    const { cache, definition, runner, chunk } = model;
    this.scheduler = new Scheduler(cache, runner, definition.vocabSize, chunk, speculate === 'always', hooks);
  }

  get status(): EngineStatus {
    return this.scheduler.status;
  }

  /** Emits tokens as they come, then one done event, and resolves. */
  async generate(request: GenerateRequest, signal: AbortSignal, emit: (event: Events[number]) => void): Promise<void> {
    this.checkTokens(request.tokens, this.model.info.context - 1);
    const habits = this.speculate === false ? undefined : this.habits;
    const { grammar, stopTokens } = request;
    if (grammar && !this.grammars) throw new KaiwenError('unsupported', 'This engine knows no grammars.');
    using constraint = grammar && (await this.grammars?.open(grammar, stopTokens, signal));
    await this.scheduler.run(new Generation(request, this.model, habits, constraint), signal, emit);
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
    let result = new Float32Array(0);
    const adapter = adapterNamed(this.model, task.adapter);
    const reading = new Reading(
      tokens,
      (hidden, first, runner) => {
        if (first + hidden.rows === tokens.length) result = runner.normalized(hidden, hidden.rows - 1, 1).slice();
      },
      { adapter },
    );
    await this.scheduler.run(reading, signal);
    return result;
  }

  private bench(task: Extract<Task, { kind: 'bench' }>, signal: AbortSignal): Promise<Result> {
    return this.scheduler.alone(() => timeSteps(this.model, task, signal));
  }

  /**
   * Hands over the logits of every row, or of those that predict the tokens from `from` on; the rows before need not be
   * computed where the cache knows them.
   */
  private async eachRow(
    { tokens, chunk, adapter, from = 1 }: RowsTask,
    signal: AbortSignal,
    use: (row: number, logits: Float32Array) => void,
  ): Promise<void> {
    const { vocabSize } = this.model.definition;
    const reading = new Reading(
      tokens,
      (hidden, first, runner) => {
        // Enough at once to share the head's weights, few enough to stay small.
        for (let at = Math.max(0, from - 1 - first); at < hidden.rows; at += MAX_STEP_ROWS) {
          const rows = Math.min(MAX_STEP_ROWS, hidden.rows - at);
          const logits = runner.logits(hidden, at, rows);
          for (let i = 0; i < rows; i++) use(first + at + i, logits.subarray(i * vocabSize, (i + 1) * vocabSize));
        }
      },
      { adapter: adapterNamed(this.model, adapter), mostKnown: from - 1, chunk },
    );
    await this.scheduler.run(reading, signal);
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
