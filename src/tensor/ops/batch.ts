/**
 * The rows of a step by the sequences they belong to. A step computes rows of one or more sequences at once; what looks
 * at a sequence's past (attention, storing keys and values) gets them as runs. A sequence's positions lie in pages of
 * KV_PAGE; every layer of an arena has as many pages, and a sequence has the same ones in all of them.
 */
import { Run as Words } from './kv-constants.js';

/** A run of rows of a step that belong to one sequence. */
export interface Run {
  /** First row of the step. */
  readonly row: number;
  readonly rows: number;
  /** Of the first row in its sequence: how many tokens the sequence had before. */
  readonly position: number;
  /** Indexes of the pages of the sequence's positions, up to the last row's. */
  readonly pages: readonly number[];
  /** Of the state of recurrent layers. */
  readonly slot: number;
}

/** The runs of a step, also as runTable() at `pointer` in the arena. */
export interface Batch {
  readonly runs: readonly Run[];
  readonly pointer: number;
}

/** Int32 [count, 4] = row, rows, position, bytes from here to the run's pages; behind it the indexes of the pages. */
export function runTable(runs: readonly Run[]): Int32Array {
  const pages = runs.reduce((sum, run) => sum + run.pages.length, 0);
  const table = new Int32Array(Words.size * runs.length + pages);
  let list = Words.size * runs.length;
  runs.forEach((run, i) => {
    const at = Words.size * i;
    table[at + Words.row] = run.row;
    table[at + Words.rows] = run.rows;
    table[at + Words.position] = run.position;
    table[at + Words.pages] = 4 * (list - at);
    table.set(run.pages, list);
    list += run.pages.length;
  });
  return table;
}
