/**
 * The rows of a step by the sequences they belong to. A step computes rows of one or more sequences at once; what looks
 * at a sequence's past (attention, storing keys and values) gets them as runs. Sequences own slots of each layer's
 * cache region, slot s starts s × slotBytes after the region.
 */

/** A run of rows of a step that belong to one sequence. */
export interface Run {
  /** First row of the step. */
  readonly row: number;
  readonly rows: number;
  /** Of the first row in its sequence: how many tokens the sequence had before. */
  readonly position: number;
  readonly slot: number;
}

/** The runs of a step, also as int32 [count, 4] = row, rows, position, slot at `pointer` in the arena. */
export interface Batch {
  readonly runs: readonly Run[];
  readonly pointer: number;
}

/** What lies at a batch's pointer. */
export function runTable(runs: readonly Run[]): Int32Array {
  return Int32Array.from(runs.flatMap(({ row, rows, position, slot }) => [row, rows, position, slot]));
}
