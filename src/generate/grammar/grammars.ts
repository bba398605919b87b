/**
 * The grammars of an engine's answers. Each source is compiled once, in a thread of its own that may be ended, and its
 * image is brought here; those used last are kept. Answers with the same source share the grammar, each has a matcher.
 */
import { KaiwenError } from '../../errors.js';
import type { GrammarSource } from '../engine.js';
import { type Compiled, Compiler } from './compiler.js';
import { Constraint } from './constraint.js';
import type { Lexicon } from './lexicon.js';
import { CompiledGrammar } from './xgrammar.js';

/** Of what is kept. An instance that is not used any more takes a megabyte or two beside its grammar. */
const KEPT = 64;
const KEPT_BYTES = 64 << 20;
const INSTANCE_BYTES = 2 << 20;
/** Of a source: more than any schema that a person has written. */
const SOURCE_LIMIT = 512 << 10;

/** Where grammars are compiled: a thread, or in a test this one. */
export interface Compiles {
  lexicon(): Promise<Lexicon>;
  compile(source: GrammarSource): Promise<Compiled>;
  close(): Promise<void>;
}

interface Held {
  grammar: CompiledGrammar;
  lexicon: Lexicon;
  named: ReadonlySet<number>;
}

interface Entry {
  held: Promise<Held>;
  bytes: number;
}

export class Grammars {
  private readonly compiler: Compiles;
  /** The longest unused first. A source that was refused is remembered too: it would be refused again. */
  private readonly entries = new Map<string, Entry>();

  /** `model`: the path whose tokenizer says what tokens are, or what compiles. */
  constructor(model: string | Compiles) {
    this.compiler = typeof model === 'string' ? new Compiler(model) : model;
  }

  /**
   * The constraint of one answer; dispose it after. Resolves to nothing if `signal` fires before. Throws KaiwenError
   * 'bad_input' or 'unsupported' where the source is not a grammar, asks for what cannot be enforced, or is too large.
   */
  async open(
    source: GrammarSource,
    stopTokens: readonly number[],
    signal?: AbortSignal,
  ): Promise<Constraint | undefined> {
    const key = JSON.stringify(source);
    if (key.length > SOURCE_LIMIT) {
      throw new KaiwenError('bad_input', `The grammar has ${key.length} characters.`, {
        remedy: `At most ${SOURCE_LIMIT} are compiled.`,
      });
    }
    const entry = this.entries.get(key) ?? this.compile(source, key);
    this.entries.delete(key);
    this.entries.set(key, entry);
    const held = await unlessAborted(entry.held, signal);
    if (!held) return undefined;
    const { grammar, lexicon, named } = held;
    const forget = () => {
      if (this.entries.get(key) === entry) this.entries.delete(key);
    };
    return new Constraint(await grammar.matcher(), lexicon, new Set(stopTokens), named, forget);
  }

  close(): Promise<void> {
    this.entries.clear();
    return this.compiler.close();
  }

  private compile(source: GrammarSource, key: string): Entry {
    const entry: Entry = { bytes: key.length, held: this.load(source, key) };
    entry.held.then(
      () => {
        entry.bytes += INSTANCE_BYTES;
        this.trim();
      },
      (error) => {
        // What is not the source's fault may go well another time.
        const lasting = error instanceof KaiwenError && (error.code === 'bad_input' || error.code === 'unsupported');
        if (!lasting && this.entries.get(key) === entry) this.entries.delete(key);
        this.trim();
      },
    );
    return entry;
  }

  private async load(source: GrammarSource, key: string): Promise<Held> {
    const [{ image, named }, lexicon] = await Promise.all([this.compiler.compile(source), this.compiler.lexicon()]);
    const entry = this.entries.get(key);
    if (entry) entry.bytes += image.memory.length;
    const names = new Set(named);
    const ids = lexicon.named.filter(({ content }) => names.has(content)).map(({ id }) => id);
    return { grammar: await CompiledGrammar.restore(image), lexicon, named: new Set(ids) };
  }

  private trim(): void {
    let bytes = 0;
    for (const entry of this.entries.values()) bytes += entry.bytes;
    for (const [key, entry] of this.entries) {
      if (this.entries.size <= KEPT && bytes <= KEPT_BYTES) return;
      this.entries.delete(key);
      bytes -= entry.bytes;
    }
  }
}

/** Resolves to nothing as soon as `signal` fires. */
async function unlessAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
  if (!signal) return promise;
  if (signal.aborted) return undefined;
  let leave = () => {};
  const aborted = new Promise<undefined>((resolve) => {
    leave = () => resolve(undefined);
    signal.addEventListener('abort', leave);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
