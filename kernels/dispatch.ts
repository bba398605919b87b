/** From an opcode to its kernel. */
import { Op } from '../src/tensor/opcodes';

/** Computes one piece of the operation at `op`. */
export function execute(op: usize, piece: i32, scratch: usize): void {
  switch (load<i32>(op)) {
    case Op.copy:
      memory.copy(<usize>load<u32>(op, 12), <usize>load<u32>(op, 8), <usize>load<u32>(op, 16));
      break;
    default:
      unreachable();
  }
}
