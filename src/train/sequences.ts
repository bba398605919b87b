/** A step's sequences in the arena: their runs, and what depends on the position of each row in its own. */
import { type Rope, ropeTables } from '../models/rope.js';
import type { Arena } from '../tensor/arena.js';
import type { Sequences } from './graph.js';

/** Rows of one sequence; positions start at 0. */
export interface Run {
  readonly row: number;
  readonly rows: number;
}

export function placeSequences(arena: Arena, runs: readonly Run[], rows: number): Sequences {
  const tables = new Map<Rope, ReturnType<Sequences['angles']>>();
  // Reserved now: what a segment takes is given back before its operations run.
  const factors = arena.alloc(4 * rows);
  const pointer = arena.put(Int32Array.from(runs.flatMap((run) => [run.row, run.rows])));
  return {
    pointer,
    count: runs.length,
    longest: runs.reduce((most, run) => Math.max(most, run.rows), 0),
    rows,
    angles(rope) {
      const known = tables.get(rope);
      if (known) return known;
      const half = rope.rotaryDim / 2;
      const [cos, sin] = [new Float32Array(rows * half), new Float32Array(rows * half)];
      for (const run of runs) {
        const from = run.row * half;
        ropeTables(rope, 0, run.rows, run.rows, cos.subarray(from), sin.subarray(from));
      }
      const table = { cos: arena.put(cos), sin: arena.put(sin), minusSin: arena.put(sin.map((s) => -s)) };
      tables.set(rope, table);
      return table;
    },
    perPosition(f) {
      const values = new Float32Array(rows);
      for (const run of runs) for (let i = 0; i < run.rows; i++) values[run.row + i] = f(i);
      arena.write(factors, values);
      return factors;
    },
  };
}
