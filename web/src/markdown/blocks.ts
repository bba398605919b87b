/**
 * A growing text as a list of blocks (paragraphs, lists, code, …). Only the last block can still change its meaning,
 * so each step parses from where it begins; all blocks before stay the same objects, which need no rendering again.
 */
import { type Env, parse, type Token } from './parser.js';

export interface Block {
  readonly tokens: readonly Token[];
}

export class GrowingMarkdown {
  #source = '';
  #complete = false;
  #blocks: readonly Block[] = [];
  /** Blocks that can no longer change, and where in the source they end. */
  #settled: Block[] = [];
  #settledTo = 0;
  #env: Env = {};

  /**
   * The blocks of `source`. `complete`: it grows no more; links that are defined after their use are then found, for
   * which a text that defines any is parsed as a whole.
   */
  update(source: string, complete: boolean): readonly Block[] {
    const text = source.includes('\r') ? source.replace(/\r\n?/g, '\n') : source;
    if (text === this.#source && complete === this.#complete) return this.#blocks;
    // A definition may have been read before it was whole, and belongs to links before it too.
    const linked = complete && Object.keys(this.#env.references ?? {}).length > 0;
    if (linked || this.#complete || !text.startsWith(this.#source)) this.#restart();
    this.#source = text;
    this.#complete = complete;
    const tail = text.slice(this.#settledTo);
    const blocks = group(parse(tail, this.#env));
    const last = blocks.at(-1);
    if (!complete && last && blocks.length > 1) {
      this.#settled = [...this.#settled, ...blocks.slice(0, -1)];
      this.#settledTo += lineStart(tail, last.tokens[0].map?.[0] ?? 0);
      this.#blocks = [...this.#settled, last];
    } else this.#blocks = [...this.#settled, ...blocks];
    return this.#blocks;
  }

  #restart(): void {
    this.#settled = [];
    this.#settledTo = 0;
    this.#env = {};
  }
}

function group(tokens: readonly Token[]): Block[] {
  const blocks: Block[] = [];
  let depth = 0;
  let from = 0;
  tokens.forEach((token, index) => {
    depth += token.nesting;
    if (depth > 0) return;
    blocks.push({ tokens: tokens.slice(from, index + 1) });
    from = index + 1;
  });
  return blocks;
}

/** Where line `line` of the text begins. */
function lineStart(text: string, line: number): number {
  let at = 0;
  for (let i = 0; i < line; i++) at = text.indexOf('\n', at) + 1;
  return at;
}
