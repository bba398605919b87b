/** Reaching rows that lie a register's worth of bytes apart, with one cursor for every three rows. */
import { type Assembler, type Gp, type Mem, mem, type Scale } from './assembler.js';

/** Points the cursors at every third of `count` rows from `base`. */
export function pointCursors(a: Assembler, cursors: readonly Gp[], base: Gp, stride: Gp, count: number): void {
  a.mov(cursors[0], base);
  for (let i = 1; 3 * i < count; i++) {
    a.lea(cursors[i], mem(cursors[i - 1], 0, stride, 2));
    a.add(cursors[i], stride);
  }
}

/** The place in row `row` that the cursors have come to, and `offset` bytes on. */
export function inRow(cursors: readonly Gp[], stride: Gp, row: number, offset = 0): Mem {
  const cursor = cursors[Math.floor(row / 3)];
  return row % 3 ? mem(cursor, offset, stride, (row % 3) as Scale) : mem(cursor, offset);
}

/** Moves all cursors of `count` rows on by `bytes`. */
export function advanceCursors(a: Assembler, cursors: readonly Gp[], count: number, bytes: number): void {
  for (let i = 0; 3 * i < count; i++) a.add(cursors[i], bytes);
}
