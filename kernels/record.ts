/** Reading an operation's record (see src/tensor/opcodes.ts for the layout). */
import { OP_FLOATS, OP_INTS } from '../src/tensor/opcodes';

// @ts-ignore: decorator
@inline
export function int(op: usize, index: i32): i32 {
  return load<i32>(op + OP_INTS + (<usize>index << 2));
}

// @ts-ignore: decorator
@inline
export function ptr(op: usize, index: i32): usize {
  return <usize>load<u32>(op + OP_INTS + (<usize>index << 2));
}

// @ts-ignore: decorator
@inline
export function float(op: usize, index: i32): f32 {
  return load<f32>(op + OP_FLOATS + (<usize>index << 2));
}
