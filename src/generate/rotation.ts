/** Queries and keys turn by the same angles: one operation for both, recorded when the first of them is read. */
import type { Rope } from '../models/rope.js';
import { type RopePart, rope as rotate } from '../tensor/ops/rope.js';
import type { Program } from '../tensor/program.js';

/** Addresses of the current tokens' cosines and sines. */
export interface RopeTables {
  readonly cos: number;
  readonly sin: number;
}

export class Rotation {
  private second?: RopePart;
  private recorded = false;

  constructor(
    private readonly program: Program,
    private readonly tables: RopeTables,
    private readonly tokens: number,
    private readonly headDim: number,
    private readonly rope: Rope,
    private readonly first: RopePart,
  ) {}

  /** Takes in a second part if there is room for one that turns the same way. */
  join(tables: RopeTables, headDim: number, rope: Rope, part: RopePart): boolean {
    if (this.recorded || this.second) return false;
    if (tables !== this.tables || headDim !== this.headDim || rope !== this.rope) return false;
    this.second = part;
    return true;
  }

  record(): void {
    if (this.recorded) return;
    this.recorded = true;
    rotate(this.program, {
      cos: this.tables.cos,
      sin: this.tables.sin,
      tokens: this.tokens,
      headDim: this.headDim,
      rotaryDim: this.rope.rotaryDim,
      interleaved: this.rope.interleaved,
      parts: [this.first, this.second],
    });
  }
}
