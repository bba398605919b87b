/** Gradient of looking rows up in a table. */
import { int, ptr } from './record';
import { addRow } from './sums';

/**
 * dw[ids[t]] += dy[t], token after token; a piece has some columns, so that nobody else adds to them.
 * Ids outside the table are passed over. Ints: ids, dy, dw, tokens, rows, cols, columns a piece.
 */
export function embedBackward(op: usize, piece: i32, scratch: usize): void {
  const tokens = int(op, 3);
  const cols = int(op, 5);
  const first = piece * int(op, 6);
  const bytes = <usize>min(int(op, 6), cols - first) << 2;
  for (let token = 0; token < tokens; token++) {
    const id = load<u32>(ptr(op, 0) + (<usize>token << 2));
    if (id >= <u32>int(op, 4)) continue;
    const dw = ptr(op, 2) + ((<usize>id * <usize>cols + <usize>first) << 2);
    addRow(dw, ptr(op, 1) + ((<usize>token * <usize>cols + <usize>first) << 2), bytes);
  }
}
