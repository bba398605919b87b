/** Puts items to a model, as many at a time as its engine holds sequences, greedily, and judges the answers. */

import { ExampleEncoder } from '../data/encode.js';
import type { Example } from '../data/example.js';
import { KaiwenError } from '../errors.js';
import type { ChatOptions, Model, TextEvent } from '../generate/api.js';
import { callsIn, callText, sameCalls } from './calls.js';
import { type ChooseSettings, choose } from './choose.js';
import { judgeCode } from './code.js';
import { type Item, type Kind, letter } from './item.js';
import { matches } from './match.js';
import { type PieceScore, scorePiece, windows } from './perplexity.js';
import { continuation, conversation, stopsOf } from './prompts.js';
import type { SandboxLimits } from './sandbox.js';
import { isPrediction } from './summary.js';

export interface EvalSettings extends ChooseSettings {
  /** Most tokens of an answer. Default 512. */
  maxTokens?: number;
  /** Tokens of a window of text. Default: the context. */
  length?: number;
  /** Run programs that the model writes. Without it their items are refused. */
  allowCode?: boolean;
  limits?: SandboxLimits;
}

/** What came of one item. */
export interface ItemResult {
  id: string;
  kind: Kind;
  domain?: string;
  language?: string;
  /** Absent for texts. */
  correct?: boolean;
  /** The answer, or the letter chosen. */
  said?: string;
  expected?: string;
  /** For calls: whether the functions, if not their arguments, are right. */
  names?: boolean;
  /** For texts: windows with the bytes they stand for. */
  pieces?: (PieceScore & { bytes: number })[];
  /** Why an item failed without being judged, or what the judge says. */
  fault?: string;
}

type Outcome = Omit<ItemResult, 'id' | 'kind' | 'domain' | 'language'>;

/**
 * Results in the order of the items. An item that does not fit the context is wrong and says so; other errors end the
 * run. Throws KaiwenError 'usage' for programs that may not run.
 */
export async function evaluate(
  model: Model,
  items: readonly Item[],
  settings: EvalSettings,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<ItemResult[]> {
  if (!settings.allowCode && items.some(({ task }) => task.kind === 'code')) {
    throw new KaiwenError('usage', 'These items run programs that the model writes.', {
      remedy: 'Pass --allow-code-execution if you accept that; the help says what the sandbox does not keep out.',
    });
  }
  const results: ItemResult[] = new Array(items.length);
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      const { id, domain, language, task } = items[index]!;
      const origin = { id, kind: task.kind, ...(domain && { domain }), ...(language && { language }) };
      results[index] = { ...origin, ...(await outcome(model, items[index]!, settings)) };
      onProgress(++done, items.length);
    }
  };
  await Promise.all(Array.from({ length: Math.min(items.length, model.info.sequences) }, work));
  return results;
}

async function outcome(model: Model, item: Item, settings: EvalSettings): Promise<Outcome> {
  const { task } = item;
  try {
    if (task.kind === 'text') return { pieces: await scoreText(model, task.text, task.control, settings) };
    if (task.kind === 'conversation') return { pieces: await scoreAnswers(model, item, settings) };
    if (task.kind === 'choice') {
      const { choice } = await choose(model, item, task.choices, settings);
      return { correct: choice === task.answer, said: letter(choice), expected: letter(task.answer) };
    }
    const said = await ask(model, item, settings);
    return { said, ...(await judge(item, said, settings)) };
  } catch (error) {
    if (error instanceof KaiwenError && error.code === 'context_overflow' && !isPrediction(task.kind)) {
      return { correct: false, fault: error.message };
    }
    throw error;
  }
}

async function judge(item: Item, said: string, settings: EvalSettings): Promise<Outcome> {
  const { task } = item;
  if (task.kind === 'answer') {
    return { correct: matches(said, task.expected, task.match), expected: task.expected.join(' | ') };
  }
  if (task.kind === 'calls') {
    const { all, names } = sameCalls(callsIn(said), task.expected);
    return { correct: all, names, expected: JSON.stringify(task.expected) };
  }
  if (task.kind !== 'code') throw new Error(`${task.kind} has no answer to judge`);
  const { passed, fault } = await judgeCode(task, said, settings.raw === true, settings.limits);
  return { correct: passed, ...(fault !== undefined && { fault }) };
}

/** The model's answer, greedy and without penalties; thinking is not part of it. */
async function ask(model: Model, item: Item, settings: EvalSettings): Promise<string> {
  const { raw, think, adapter, maxTokens = 512 } = settings;
  const options: ChatOptions = {
    ...{ temperature: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0 },
    maxTokens,
    ...(adapter !== undefined && { adapter }),
  };
  let events: AsyncIterable<TextEvent>;
  if (raw) {
    const prompt = continuation(item, settings);
    events = model.generate(prompt, { ...options, stop: stopsOf(item) });
  } else {
    const messages = conversation(item, settings);
    events = model.chat(messages, { ...options, ...(think !== undefined && { think }), tools: item.tools });
  }
  let said = '';
  const calls: { name: string; given: string }[] = [];
  for await (const event of events) {
    if (event.type === 'text') said += event.text;
    else if (event.type === 'tool_call') calls.push({ name: event.name, given: '' });
    else if (event.type === 'tool_arguments') calls[event.index]!.given += event.text;
  }
  const texts = calls.map(({ name, given }) => callText(name, given));
  return [...(said === '' ? [] : [said]), ...texts].join('\n');
}

type Pieces = NonNullable<ItemResult['pieces']>;

async function scoreText(
  model: Model,
  text: string,
  control: boolean,
  { length, adapter }: EvalSettings,
): Promise<Pieces> {
  const { tokenizer, engine, info } = model;
  const pieces: Pieces = [];
  for (const ids of windows(text, control, tokenizer, Math.min(length ?? info.context, info.context))) {
    const bytes = byteLength(model, ids.slice(1));
    pieces.push({ ...(await scorePiece(engine, ids, adapter)), bytes });
  }
  return pieces.filter(({ tokens }) => tokens > 0);
}

/** What the assistant says, as training would learn it: thinking and the token that ends a turn included. */
async function scoreAnswers(model: Model, item: Item, { think, adapter }: EvalSettings): Promise<Pieces> {
  const encoder = new ExampleEncoder(model.tokenizer, model.template(adapter), { think });
  const { messages, tools } = item;
  const example: Example = { kind: 'chat', messages: [...messages], ...(tools && { tools: [...tools] }) };
  const pieces: Pieces = [];
  for (const { ids, weights } of encoder.encode(example)) {
    const counts = (index: number): boolean => weights === undefined || weights[index]! > 0;
    const bytes = byteLength(
      model,
      ids.filter((_, index) => index > 0 && counts(index)),
    );
    pieces.push({ ...(await scorePiece(model.engine, ids, adapter, counts)), bytes });
  }
  return pieces;
}

function byteLength({ tokenizer }: Model, ids: readonly number[]): number {
  return ids.reduce((sum, id) => sum + tokenizer.bytes(id).length, 0);
}
