/**
 * The pages of the KV cache, and what is known of them. A block is a page with the tokens whose keys and values it
 * holds. Full blocks are found by a hash that is chained from the first token on (with adapter and rope as its root),
 * and told apart by their tokens, so that two prompts with one hash never share; blocks that are not yet full are found
 * among the blocks that go on from the same parent. A block that nobody uses is kept until its page is needed: the one
 * unused for longest goes first, and always before the block that it goes on from.
 */
import { KV_PAGE } from '../tensor/ops/kv-constants.js';
import { hashOf } from './hash.js';

/** What a chain of blocks begins with: everything but tokens that keys and values depend on. */
export class Root {
  readonly hash: number;
  readonly children = new Set<Block>();

  constructor(readonly name: string) {
    this.hash = hashOf(
      0,
      Array.from(name, (char) => char.charCodeAt(0)),
    );
  }
}

export class Block {
  /** What it holds, up to KV_PAGE; of a sequence that is under way, what was known when it was last looked at. */
  tokens: readonly number[] = [];
  parent?: Block | Root;
  /** Of the chain up to here, once the block is full and can be found. */
  hash?: number;
  /** Sequences that hold it. */
  refs = 1;
  /** How often a sequence has taken it over. */
  taken = 0;
  readonly children = new Set<Block>();

  constructor(readonly page: number) {}
}

export interface PageCounts {
  /** Positions of a page. */
  size: number;
  total: number;
  /** Held by sequences, and kept for those to come. */
  used: number;
  cached: number;
  /** On disk. */
  spilled: number;
  /** Tokens of prompts that were taken over instead of computed, ever. */
  hits: number;
}

/** Where blocks may go when their page is needed, and come from. */
export interface Backing {
  readonly count: number;
  has(hash: number): boolean;
  write(block: Block): void;
  /** Whether it has filled `page` with the keys and values of the full block of this hash, parent and these tokens. */
  read(hash: number, parent: number, tokens: readonly number[], page: number): boolean;
}

export class Pages {
  backing?: Backing;
  hits = 0;
  private readonly returned: number[] = [];
  private fresh = 0;
  private readonly roots = new Map<string, Root>();
  private readonly full = new Map<number, Block>();
  /** In the order in which they go. */
  private readonly unused = new Set<Block>();

  constructor(readonly total: number) {}

  get counts(): PageCounts {
    const cached = this.unused.size;
    const used = this.fresh - this.returned.length - cached;
    return { size: KV_PAGE, total: this.total, used, cached, spilled: this.backing?.count ?? 0, hits: this.hits };
  }

  root(name: string): Root {
    let root = this.roots.get(name);
    if (!root) this.roots.set(name, (root = new Root(name)));
    return root;
  }

  /** A block of its own for a sequence. Undefined: sequences hold all pages. */
  allocate(): Block | undefined {
    let page = this.returned.pop();
    if (page === undefined && this.fresh < this.total) page = this.fresh++;
    if (page === undefined) {
      const [oldest] = this.unused;
      if (!oldest) return undefined;
      this.evict(oldest);
      page = this.returned.pop()!;
    }
    return new Block(page);
  }

  /** The full block that goes on from `parent` with these KV_PAGE tokens, taken for one more sequence. */
  take(parent: Block | Root, tokens: readonly number[]): Block | undefined {
    const hash = hashOf(parent.hash!, tokens);
    const known = this.full.get(hash);
    if (known) {
      if (known.parent !== parent || !isSame(known.tokens, tokens)) return undefined;
      this.hold(known);
      return known;
    }
    const block = this.backing?.has(hash) ? this.allocate() : undefined;
    if (!block) return undefined;
    if (this.backing!.read(hash, parent.hash!, tokens, block.page)) {
      block.tokens = tokens;
      this.publish(block, parent);
      block.taken = 1;
      return block;
    }
    this.returned.push(block.page);
    return undefined;
  }

  /** The block that goes on from `parent` with most of `tokens`, and with how many. */
  longest(parent: Block | Root, tokens: readonly number[]): { block?: Block; common: number } {
    let best: { block?: Block; common: number } = { common: 0 };
    for (const block of parent.children) {
      let common = 0;
      const most = Math.min(tokens.length, block.tokens.length);
      while (common < most && block.tokens[common] === tokens[common]) common++;
      if (common > best.common) best = { block, common };
    }
    return best;
  }

  /** One more sequence holds the block. */
  hold(block: Block): void {
    this.unused.delete(block);
    block.refs++;
    block.taken++;
  }

  /** The block, which is not full and which nobody holds, for a sequence that goes on in it. */
  adopt(block: Block): Block {
    this.unused.delete(block);
    block.refs = 1;
    return block;
  }

  /** Lets a block be found that goes on from `parent`. False if there is already one with these tokens. */
  publish(block: Block, parent: Block | Root): boolean {
    if (block.tokens.length === KV_PAGE) {
      const hash = hashOf(parent.hash!, block.tokens);
      if (this.full.has(hash)) return false;
      this.full.set(hash, block);
      block.hash = hash;
    }
    block.parent = parent;
    parent.children.add(block);
    return true;
  }

  /** The full block with this one's tokens that can be found behind `parent`. */
  twin(block: Block, parent: Block | Root): Block | undefined {
    const known = this.full.get(hashOf(parent.hash!, block.tokens));
    return known?.parent === parent && isSame(known.tokens, block.tokens) ? known : undefined;
  }

  /** Writes what is worth it to the backing, before memory goes. */
  spill(): void {
    for (const block of this.full.values()) if (block.taken > 0) this.backing?.write(block);
  }

  /** A sequence lets go of a block, after those that go on from it. */
  release(block: Block): void {
    if (--block.refs > 0) return;
    if (block.parent && block.tokens.length > 0) this.unused.add(block);
    else this.drop(block);
  }

  /** Forgets what a block held, whose page nobody needs. */
  private drop(block: Block): void {
    this.unlink(block);
    this.returned.push(block.page);
  }

  private evict(block: Block): void {
    // Nobody can find what goes on from it any more.
    for (const child of [...block.children]) if (child.refs === 0) this.evict(child);
    for (const child of block.children) this.unlink(child);
    this.unused.delete(block);
    if (block.hash !== undefined && block.taken > 0) this.backing?.write(block);
    this.drop(block);
  }

  private unlink(block: Block): void {
    if (block.hash !== undefined && this.full.get(block.hash) === block) this.full.delete(block.hash);
    block.parent?.children.delete(block);
    block.parent = undefined;
  }
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((token, i) => token === b[i]);
}
