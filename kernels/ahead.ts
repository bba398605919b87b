/** Reading a matrix's first weights into the cache before they are needed. */
import { Matmul } from '../src/tensor/ops/layout-constants';
import { panelBytes } from './matmul-layout';
import { int, ptr } from './record';

/** As much as leaves room for everything else in a second-level cache of 512 kB. */
export const AHEAD_BYTES: usize = 1 << 18;
const STEP: usize = 1024;

/** Where the weights of a piece of a matmul begin, or 0 where that is decided when it runs. */
export function weightsOfPiece(op: usize, piece: i32): usize {
  if (ptr(op, Matmul.offsets)) return 0;
  const rowPiece = piece % int(op, Matmul.rowPieces);
  const panel = rowPiece * int(op, Matmul.panelsPerPiece);
  return ptr(op, Matmul.weights) + <usize>panel * panelBytes(int(op, Matmul.type), int(op, Matmul.cols));
}

/** Asks for the lines at `at` and returns where the next ones lie. The values are not used, so nothing waits for them. */
export function readAhead(at: usize): usize {
  const end = min(at + STEP, (<usize>memory.size()) << 16);
  for (; at < end; at += 64) load<u8>(at);
  return at;
}
