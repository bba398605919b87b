/**
 * Calling the machine code that src/tensor/native/ generates, where there is any. Without it every operation has its
 * way in WebAssembly.
 */

import { SCRATCH_BYTES } from '../src/tensor/opcodes';

// @ts-ignore: decorator
@external('env', 'native')
declare function call(kernel: i32, args: usize): void;

/** One bit for each kernel that this instance can call. */
let available: i32 = 0;

export function setNative(mask: i32): void {
  available = mask;
}

// @ts-ignore: decorator
@inline
export function hasNative(kernel: i32): bool {
  return (available >> kernel & 1) != 0;
}

/** Runs a kernel over this memory. `args` holds its arguments (src/tensor/native/kernels.ts). */
// @ts-ignore: decorator
@inline
export function callNative(kernel: i32, args: usize): void {
  call(kernel, args);
}

// @ts-ignore: decorator
@inline
export function setArg(args: usize, index: i32, value: usize): void {
  store<u32>(args + (<usize>index << 2), <u32>value);
}

// @ts-ignore: decorator
@inline
export function setFloat(args: usize, index: i32, value: f32): void {
  store<f32>(args + (<usize>index << 2), value);
}

/** Where arguments lie while the beginning of the scratch holds something else: its last 128 bytes. */
// @ts-ignore: decorator
@inline
export function lastOf(scratch: usize): usize {
  return scratch + <usize>SCRATCH_BYTES - 128;
}
