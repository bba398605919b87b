/**
 * The grammar library, web-xgrammar. What it needs of Node is here: its file is a CommonJS text inside a package of
 * modules, with the WebAssembly as base64 in it.
 *
 * An instance belongs to one grammar. The library ends its instance on any fault, so a grammar that it cannot read or
 * that needs too much memory costs nobody else anything; and dropping the instance frees everything it holds.
 *
 * The vocabulary that the library is told is the 256 bytes and an end. A token is taken as its bytes, so compiling does
 * not depend on the size of the model's vocabulary: 13 ms instead of 7 s for a string of bounded length.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Xgrammar from '@mlc-ai/web-xgrammar';
import { KaiwenError } from '../../errors.js';
import { BYTE_CHARS } from '../../tokenizer/alphabet.js';

/** Stands behind the 256 bytes in the library's vocabulary: the text ends here. */
export const END = 256;
const PAGE = 65536;
/** Of one instance: grammar, and what its matchers remember of their texts. */
const MEMORY_LIMIT = 192 << 20;

/** A matcher as the library's binding gives it; all of it is synchronous. */
export interface Matcher {
  AcceptToken(byte: number, verbose: boolean): boolean;
  AcceptString(bytes: Uint8Array, verbose: boolean): boolean;
  Rollback(steps: number): void;
  GetNextTokenBitmask(size: number): { get(word: number): number; delete(): void };
  delete(): void;
}

/** The library's instance with a grammar in it, as bytes: how a grammar goes from the thread that compiles to another. */
export interface GrammarImage {
  memory: Uint8Array<ArrayBuffer>;
  /** Where in it the grammar is. */
  address: number;
}

/** What the library builds a grammar from, in its own languages. */
export type Plan = { kind: 'ebnf' | 'structural'; text: string };

interface Binding {
  $$: { ptr: number };
}

interface Instance {
  library: typeof Xgrammar;
  memory: WebAssembly.Memory;
  /** Makes the memory at least this large, as the library itself would. */
  grow(bytes: number): void;
  compiler: Xgrammar.GrammarCompiler;
  /** The library's last words. */
  said(): string;
}

/** Compiles a plan. Throws KaiwenError 'bad_input' with the library's reason. */
export async function compile(plan: Plan): Promise<CompiledGrammar> {
  const instance = await newInstance();
  try {
    return new CompiledGrammar(instance, await build(instance, plan));
  } catch (error) {
    throw refusal(error, instance.said());
  }
}

function build({ compiler }: Instance, plan: Plan): Promise<Xgrammar.CompiledGrammar> {
  return plan.kind === 'ebnf' ? compiler.compileGrammar(plan.text) : compiler.compileStructuralTag(plan.text);
}

/** A compiled grammar, and the only one in its instance. */
export class CompiledGrammar {
  constructor(
    private readonly instance: Instance,
    private readonly grammar: Xgrammar.CompiledGrammar,
  ) {}

  /** Bytes of memory that were ever taken. */
  get bytes(): number {
    return this.instance.memory.buffer.byteLength;
  }

  async matcher(): Promise<Matcher> {
    const matcher = await this.instance.library.GrammarMatcher.createGrammarMatcher(this.grammar, END);
    return (matcher as unknown as { handle: Matcher }).handle;
  }

  image(): GrammarImage {
    const all = new Uint8Array(this.instance.memory.buffer);
    return { memory: all.slice(0, usedLength(all)), address: (this.grammar.handle as Binding).$$.ptr };
  }

  /** The grammar in another thread. Compiling has left everything in memory, and an instance begins the same anywhere. */
  static async restore({ memory: image, address }: GrammarImage): Promise<CompiledGrammar> {
    const instance = await newInstance();
    // Its handle will stand for the image's grammar.
    const grammar = await instance.compiler.compileGrammar('root ::= "a"');
    instance.grow(image.length);
    const memory = new Uint8Array(instance.memory.buffer);
    freshLength ??= usedLength(memory);
    memory.set(image);
    memory.fill(0, image.length, Math.max(image.length, freshLength));
    (grammar.handle as Binding).$$.ptr = address;
    return new CompiledGrammar(instance, grammar);
  }
}

let freshLength: number | undefined;

/** Up to the last byte that is not zero, in whole words. */
function usedLength(memory: Uint8Array<ArrayBuffer>): number {
  const words = new BigUint64Array(memory.buffer);
  let length = words.length;
  while (length > 0 && words[length - 1] === 0n) length--;
  return 8 * length;
}

let loaded: { code: (...parameters: unknown[]) => void; module: WebAssembly.Module } | undefined;

function load() {
  const path = createRequire(import.meta.url).resolve('@mlc-ai/web-xgrammar');
  const text = readFileSync(path, 'utf8');
  const base64 = /"data:application\/octet-stream;base64,([A-Za-z0-9+/=]+)"/.exec(text)?.[1];
  if (!base64) throw new KaiwenError('internal', `${path} is not the version of the library that is expected.`);
  // Without `process` it looks for no Node, and so imports nothing and listens to none of the process's events.
  const names = ['exports', 'module', 'process', 'window', 'importScripts', 'document', 'location', 'WebAssembly'];
  const code = new Function(...names, 'console', text.replace(base64, '').replace(/\/\/# sourceMappingURL=.*/, ''));
  return {
    code: code as (...parameters: unknown[]) => void,
    module: new WebAssembly.Module(Buffer.from(base64, 'base64')),
  };
}

async function newInstance(): Promise<Instance> {
  loaded ??= load();
  const { code, module } = loaded;
  const said: string[] = [];
  const note = (...words: unknown[]) => {
    if (said.length < 8) said.push(words.join(' '));
  };
  const exports = {} as typeof Xgrammar;
  let memory!: WebAssembly.Memory;
  let resize: (bytes: number) => boolean = () => false;
  const engine = {
    Memory: WebAssembly.Memory,
    RuntimeError: WebAssembly.RuntimeError,
    instantiate: async (_: unknown, imports: WebAssembly.Imports) => {
      const instance = new WebAssembly.Instance(module, imports);
      memory = Object.values(instance.exports).find((value) => value instanceof WebAssembly.Memory)!;
      limit(memory);
      const known = Object.values(imports).flatMap((group) => Object.values(group));
      resize = known.find((value) => typeof value === 'function' && value.name === '_emscripten_resize_heap') as never;
      return { instance, module };
    },
  };
  const nothing = undefined;
  const here = { href: 'file:///xgrammar.js' };
  const quiet = { log: note, warn: note, error: note };
  code(exports, { exports }, nothing, nothing, nothing, nothing, here, engine, quiet);
  const alphabet = [...BYTE_CHARS, '<end>'];
  const tokens = await exports.TokenizerInfo.createTokenizerInfo(alphabet, 'byte_level', false, alphabet.length, END);
  return {
    library: exports,
    memory,
    grow: (bytes) => {
      if (memory.buffer.byteLength < bytes) resize(bytes);
    },
    // Its cache would keep what this instance has only once.
    compiler: await exports.GrammarCompiler.createGrammarCompiler(tokens, false),
    said: () => said.join('\n'),
  };
}

function limit(memory: WebAssembly.Memory): void {
  memory.grow = (pages) => {
    if (memory.buffer.byteLength + pages * PAGE > MEMORY_LIMIT) throw new RangeError('a grammar needs too much memory');
    return WebAssembly.Memory.prototype.grow.call(memory, pages);
  };
}

/** The library's complaint without the place in its source. */
function refusal(error: unknown, said: string): KaiwenError {
  const reason = /\[FATAL\] \S+?:\d+: (?:Check failed: \(.*?\) is false: )?([^\n]*)/.exec(said)?.[1];
  if (reason) {
    return new KaiwenError('bad_input', `The grammar cannot be compiled: ${reason.slice(0, 300)}`, { cause: error });
  }
  return new KaiwenError('bad_input', 'The grammar is too large or nests too deeply.', {
    remedy: 'Make it smaller.',
    cause: error,
  });
}
