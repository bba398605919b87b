/**
 * An engine without weights whose answers are really drawn: a script gives the logits of each token, and sessions,
 * sampler, grammars and the control of thinking are those of the product. What a script wants comes true only where
 * nothing forbids it.
 */
import type { DoneEvent, GenerateRequest, TokenEvent } from '../src/generate/engine.js';
import { compileSource } from '../src/generate/grammar/compile.js';
import { Grammars } from '../src/generate/grammar/grammars.js';
import { newLexicon } from '../src/generate/grammar/lexicon.js';
import { Session } from '../src/generate/session.js';
import { fakeModel } from './fake-model.js';
import { type ByteTokenizer, ScriptedEngine } from './scripted-engine.js';

/** What the model says if it may: the next of these ids, and the end behind the last. */
export type Wish = (request: GenerateRequest) => readonly number[];

const CONTEXT = 4096;

export class GuidedEngine extends ScriptedEngine {
  readonly #grammars: Grammars;
  readonly #tokenizer: ByteTokenizer;
  readonly #wish: Wish;

  constructor(tokenizer: ByteTokenizer, wish: Wish) {
    super(() => [], { vocabSize: tokenizer.vocabSize, context: CONTEXT, maxContext: CONTEXT });
    this.#tokenizer = tokenizer;
    this.#wish = wish;
    const added = [...tokenizer.controlTokens].map(([content, id]) => ({
      id,
      content,
      special: content.includes('|'),
    }));
    const lexicon = newLexicon({ size: tokenizer.vocabSize, bytes: (id) => tokenizer.bytes(id) }, added);
    this.#grammars = new Grammars({
      lexicon: async () => lexicon,
      compile: async (source) => {
        const text = source.kind === 'ebnf' || source.kind === 'structural' ? JSON.stringify(source) : '';
        const named = lexicon.named.map(({ content }) => content).filter((content) => text.includes(content));
        return { image: await compileSource(source), named };
      },
      close: async () => {},
    });
  }

  override async *generate(request: GenerateRequest, signal?: AbortSignal): AsyncGenerator<TokenEvent | DoneEvent> {
    this.requests.push(request);
    const { vocabSize } = this.info;
    const wish = this.#wish(request);
    const [end] = this.#tokenizer.eosTokens;
    const logits = (history: readonly number[]) => {
      const step = history.length - request.tokens.length;
      // Against its will the model prefers what ends things, and then anything at all.
      const all = Array.from({ length: vocabSize }, (_, id) => Math.sin(step * 7.7 + id * 12.9));
      for (const id of ['"', '}', ']', '<', '\n'].map((char) => char.charCodeAt(0))) all[id] += 1.2;
      all[end] += 3;
      all[wish[step] ?? end] += 20;
      return all;
    };
    const session = new Session(fakeModel({ vocabSize, logits, context: CONTEXT }), false, this.#grammars);
    const events: (TokenEvent | DoneEvent)[] = [];
    let wake = () => {};
    let failed: unknown;
    let over = false;
    const controller = new AbortController();
    signal?.addEventListener('abort', () => controller.abort());
    const working = session
      .generate(request, controller.signal, (event) => {
        events.push(event);
        wake();
      })
      .catch((error: unknown) => {
        failed = error;
      })
      .finally(() => {
        over = true;
        wake();
      });
    try {
      for (;;) {
        const event = events.shift();
        if (event) yield event;
        else if (over) break;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      controller.abort();
      await working;
    }
    if (failed) throw failed;
  }
}
