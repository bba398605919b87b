/** Fills parameters from a checkpoint: as float32 where they are trained, else in the form they are held in. */
import type { Checkpoint, TensorInfo } from '../formats/checkpoint.js';
import { dequantizeTensor, quantizeTensor } from '../formats/quant/index.js';
import type { Arena } from '../tensor/arena.js';
import { byteLength } from '../tensor/dtype.js';
import { type HeldType, heldBytes, isFloat } from '../tensor/ops/layout.js';
import { repack } from '../tensor/ops/repack.js';
import type { Parameter } from './parameters.js';

/** Bytes of scratch that reading needs in the arena. */
export const STAGING_BYTES = 8 << 20;

export function readWeight(
  checkpoint: Checkpoint,
  tensor: TensorInfo,
  parameter: Parameter,
  arena: Arena,
  run: () => void,
): void {
  const { type, rows, columns, count } = parameter;
  const mark = arena.mark;
  const heldRow = byteLength(type, columns);
  const fileRow = byteLength(tensor.dtype, columns);
  const staging = isFloat(type) ? 0 : arena.alloc(STAGING_BYTES);
  const step = Math.max(16, Math.floor(STAGING_BYTES / (4 * columns) / 16) * 16);
  for (let matrix = 0; matrix < count; matrix++) {
    const dst = parameter.pointer + matrix * heldBytes(type, rows, columns);
    for (let row = 0; row < rows; row += step) {
      const n = Math.min(step, rows - row);
      const bytes = new Uint8Array(n * fileRow);
      checkpoint.read(tensor, bytes, (matrix * rows + row) * fileRow);
      const held = arena.bytes(isFloat(type) ? dst + row * heldRow : staging, n * heldRow);
      write(type, tensor.dtype, bytes, n * columns, held);
      if (isFloat(type)) continue;
      repack(arena.program, { type, src: staging, dst, rows: n, cols: columns, firstRow: row });
      run();
    }
  }
  arena.release(mark);
}

function write(type: HeldType, from: TensorInfo['dtype'], bytes: Uint8Array, n: number, held: Uint8Array): void {
  if (type === from) {
    held.set(bytes);
    return;
  }
  const values = type === 'f32' ? new Float32Array(held.buffer, held.byteOffset, n) : new Float32Array(n);
  dequantizeTensor(from, bytes, values);
  if (type !== 'f32') quantizeTensor(type, values, held);
}

/** A tensor's values as float32. */
export function readValues(checkpoint: Checkpoint, tensor: TensorInfo): Float32Array {
  const bytes = new Uint8Array(tensor.byteLength);
  checkpoint.read(tensor, bytes);
  const values = new Float32Array(tensor.shape.reduce((a, b) => a * b, 1));
  dequantizeTensor(tensor.dtype, bytes, values);
  return values;
}
