/**
 * `output` of a response: a text, or choices with messages. The same growing answer is told whole, in steps that each
 * hold everything so far, or in steps that hold only what is new.
 */
import type { TokenLogprob } from '../../generate/api.js';
import type { ChoiceEvent } from '../openai/answer.js';
import { chatLogprob } from '../openai/logprobs.js';

export interface OutputShape {
  format: 'text' | 'message';
  /** Contents are lists of parts. */
  multimodal: boolean;
  /** Steps hold only what is new. */
  incremental: boolean;
  logprobs: boolean;
}

interface ToolCall {
  index: number;
  id: string;
  type: 'function';
  function: { name?: string; arguments: string };
}

/** A stretch of one answer. */
class Stretch {
  content = '';
  thinking = '';
  readonly calls: ToolCall[] = [];
  readonly logprobs: TokenLogprob[] = [];
  /** Documented as the word "null" while an answer goes on. */
  end = 'null';

  /** False: nothing of the event is shown. */
  take(event: ChoiceEvent): boolean {
    if (event.type === 'text') {
      this.content += event.text;
      this.logprobs.push(...(event.logprobs ?? []));
    } else if (event.type === 'thinking') this.thinking += event.text;
    else if (event.type === 'tool_call')
      this.calls.push({
        index: event.call,
        id: event.id,
        type: 'function',
        function: { name: event.name, arguments: '' },
      });
    else if (event.type === 'tool_arguments') {
      const last = this.calls.find(({ index }) => index === event.call);
      if (last) last.function.arguments += event.text;
      else this.calls.push({ index: event.call, id: '', type: 'function', function: { arguments: event.text } });
    } else if (event.type === 'finish')
      this.end = event.reason === 'repetition' || event.reason === 'timeout' ? 'length' : event.reason;
    else return false;
    return true;
  }
}

export class Output {
  readonly #shape: OutputShape;
  readonly #answers: Stretch[];

  /** `n`: answers to the request; one if they are texts. */
  constructor(shape: OutputShape, n: number) {
    this.#shape = shape;
    this.#answers = Array.from({ length: n }, () => new Stretch());
  }

  /** The step that tells of `event`, where there is anything to tell. */
  step(event: ChoiceEvent): object | undefined {
    const whole = this.#answers[event.choice];
    if (!whole.take(event)) return undefined;
    if (!this.#shape.incremental) return this.#render([[event.choice, whole]]);
    const piece = new Stretch();
    piece.take(event);
    return this.#render([[event.choice, piece]]);
  }

  /** Everything so far. */
  whole(): object {
    return this.#render(this.#answers.map((answer, index) => [index, answer]));
  }

  #render(answers: readonly [index: number, answer: Stretch][]): object {
    if (this.#shape.format === 'text') return { text: answers[0][1].content, finish_reason: answers[0][1].end };
    return {
      choices: answers.map(([index, answer]) => ({
        index,
        finish_reason: answer.end,
        message: this.#message(answer),
        ...(this.#shape.logprobs && { logprobs: { content: answer.logprobs.map(chatLogprob) } }),
      })),
    };
  }

  #message({ content, thinking, calls }: Stretch): object {
    return {
      role: 'assistant',
      content: this.#shape.multimodal ? (content ? [{ text: content }] : []) : content,
      ...(thinking && { reasoning_content: thinking }),
      ...(calls.length > 0 && { tool_calls: calls }),
    };
  }
}
