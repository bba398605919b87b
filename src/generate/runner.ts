/**
 * The executor that runs a model: the blocks' operations become records in an arena's program (recorder.ts), the team
 * runs the program, the hidden state moves on to the next arena. Scratch is taken back after each block.
 */
import type { ModelDefinition } from '../models/model.js';
import { ropeTables } from '../models/rope.js';
import type { Arena } from '../tensor/arena.js';
import type { Simd } from '../tensor/kernels.js';
import { type Run, runTable } from '../tensor/ops/batch.js';
import { embed } from '../tensor/ops/embed.js';
import { DECODE_ROWS } from '../tensor/ops/kv-constants.js';
import { adaptedRows } from './adapted.js';
import type { Cache } from './cache.js';
import { Recorder } from './recorder.js';
import type { RopeTables } from './rotation.js';
import type { Sequence } from './sequence.js';
import { Tensor } from './tensor.js';
import type { HeldWeight } from './weights.js';

/** Runs an arena's program; when planning, only forgets it. */
export interface Executor {
  readonly simd: Simd;
  /** Whether quantised products run as machine code. */
  readonly isNative: boolean;
  run(arena: Arena): void;
}

/** Tokens to compute at the end of a sequence, which has reserved room for them. */
export interface Part {
  sequence: Sequence;
  tokens: readonly number[];
}

/** Most rows of a step of several sequences. A row's values do not depend on which others share it. */
export const MAX_STEP_ROWS = 64;

/** Rows of one sequence, up to so many, are computed as each would be alone. */
export const MAX_RUN_ROWS = DECODE_ROWS;

export class Runner {
  private readonly recorder: Recorder;
  /** Where the step is. */
  private arena: Arena;

  /** `arenas[i]` holds block i; the last entry holds norm and head. */
  constructor(
    private readonly model: ModelDefinition,
    private readonly arenas: readonly Arena[],
    cache: Cache,
    private readonly executor: Executor,
  ) {
    this.arena = arenas[0];
    this.recorder = new Recorder(this.arena, cache, executor);
  }

  /**
   * Computes the tokens of all `parts`, at most one a sequence, in one pass and appends them to their sequences. `use`
   * gets the hidden states [rows, hidden] after the last block, part after part, valid until it returns. A step that
   * fails half-way leaves recurrent state and cache in doubt: its sequences are forgotten.
   */
  forward<R>(parts: readonly Part[], use: (hidden: Tensor) => R): R {
    const { hiddenSize, blocks, embedding } = this.model;
    const tokens = parts.flatMap((part) => part.tokens);
    const runs = runsOf(parts);
    const adapted = adaptedRows(parts);
    const marks = new Map<Arena, number>();
    const enter = (arena: Arena): Tensor => {
      if (!marks.has(arena)) marks.set(arena, arena.mark);
      this.arena = arena;
      const batch = { runs, pointer: arena.put(runTable(runs)) };
      this.recorder.enter(arena, batch, this.ropeTables(parts, runs), adapted);
      return new Tensor(arena.alloc(4 * tokens.length * hiddenSize), tokens.length, hiddenSize);
    };
    try {
      let x = enter((embedding as HeldWeight).arena);
      this.embed(tokens, embedding as HeldWeight, x);
      for (let i = 0; i <= blocks.length; i++) {
        if (this.arenas[i] !== this.arena) {
          const from = this.arena;
          this.executor.run(from);
          const source = from.floats(x.pointer, tokens.length * hiddenSize);
          x = enter(this.arenas[i]);
          this.arena.write(x.pointer, source);
        }
        if (i === blocks.length) break;
        const mark = this.arena.mark;
        x = blocks[i].forward<Tensor>(this.recorder, x);
        this.arena.release(mark);
        // A model of hundreds of layers runs in parts: a program has its limit.
        if (this.arena.program.count > this.arena.program.capacity / 2) this.executor.run(this.arena);
      }
      this.executor.run(this.arena);
      for (const part of parts) part.sequence.advance(part.tokens);
      return use(x);
    } catch (error) {
      for (const arena of marks.keys()) arena.program.clear();
      for (const { sequence } of parts) sequence.forget();
      throw error;
    } finally {
      for (const [arena, mark] of marks) arena.release(mark);
    }
  }

  /** The last `rows` hidden states after the final norm, [rows, hidden]: a view, valid until the next call. */
  normalized(hidden: Tensor, from: number, rows: number): Float32Array {
    return this.head(hidden, from, rows, (x) => x);
  }

  /** Logits [rows, vocab] of the hidden states from row `from` on: a view, valid until the next call. */
  logits(hidden: Tensor, from: number, rows: number): Float32Array {
    return this.head(hidden, from, rows, (x) => this.recorder.linear(x, this.model.head));
  }

  private head(hidden: Tensor, from: number, rows: number, compute: (x: Tensor) => Tensor): Float32Array {
    const mark = this.arena.mark;
    this.recorder.enterHead(from);
    const x = new Tensor(hidden.pointer + 4 * from * hidden.stride, rows, hidden.columns);
    const y = compute(this.recorder.rmsNorm(x, this.model.norm));
    const { pointer } = y;
    this.executor.run(this.arena);
    this.arena.release(mark);
    return this.arena.floats(pointer, rows * y.columns);
  }

  private embed(tokens: readonly number[], table: HeldWeight, x: Tensor): void {
    const ids = this.arena.put(Int32Array.from(tokens));
    embed(this.arena.program, {
      type: table.type,
      table: table.pointer,
      ids,
      out: x.pointer,
      tokens: tokens.length,
      rows: table.rows,
      cols: table.columns,
    });
  }

  private ropeTables(parts: readonly Part[], runs: readonly Run[]): RopeTables {
    const { rope } = this.model;
    const half = rope.rotaryDim / 2;
    const size = runs.reduce((sum, { rows }) => sum + rows, 0) * half;
    const [cos, sin] = [new Float32Array(size), new Float32Array(size)];
    runs.forEach(({ row, rows, position }, i) => {
      const from = row * half;
      ropeTables(rope, position, rows, parts[i].sequence.length, cos.subarray(from), sin.subarray(from));
    });
    return { cos: this.arena.put(cos), sin: this.arena.put(sin) };
  }
}

function runsOf(parts: readonly Part[]): Run[] {
  let row = 0;
  return parts.map(({ sequence, tokens }) => {
    const { position, slot } = sequence;
    const pages = sequence.pages(position + tokens.length);
    const run = { row, rows: tokens.length, position, pages, slot };
    row += tokens.length;
    return run;
  });
}
