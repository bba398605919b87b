/**
 * One tensor on its way from a checkpoint into a file: read in pieces of some megabytes, reordered, changed and
 * re-encoded. Memory does not grow with the tensor.
 */
import { KaiwenError } from '../errors.js';
import { byteLength, type DType } from '../tensor/dtype.js';
import type { Checkpoint, TensorInfo } from './checkpoint.js';
import { dequantizeTensor, quantizeTensor } from './quant/index.js';
import type { TensorOrder } from './reorder.js';

export interface PieceOptions extends TensorOrder {
  /** Values in a row; a multiple of the blocks of both types. Default: the last dimension. */
  width?: number;
  /** The first row to take and their number; default all. */
  firstRow?: number;
  rowCount?: number;
  /** Changes values in place, on their way. */
  change?: (values: Float32Array) => void;
}

const PIECE_ELEMENTS = 1 << 20;

/** The tensor's bytes as `target`, piece after piece; each is overwritten by the next. */
export function* tensorPieces(
  checkpoint: Checkpoint,
  tensor: TensorInfo,
  target: DType,
  options: PieceOptions = {},
): Generator<Uint8Array> {
  const elements = tensor.shape.reduce((product, size) => product * size, 1);
  const { width = tensor.shape.at(-1) ?? 1, firstRow = 0, rows, columns, change } = options;
  const { rowCount = elements / width } = options;
  const rowBytes = byteLength(tensor.dtype, width);
  const height = Math.min(rowCount, Math.max(1, Math.floor(PIECE_ELEMENTS / width)));
  const stored = new Uint8Array(height * rowBytes);
  const untouched = tensor.dtype === target && !columns && !change;
  const values = new Float32Array(untouched ? 0 : height * width);
  const encoded = new Uint8Array(untouched ? 0 : byteLength(target, height * width));

  for (let row = 0; row < rowCount; row += height) {
    const count = Math.min(height, rowCount - row);
    const bytes = stored.subarray(0, count * rowBytes);
    readRows(checkpoint, tensor, bytes, rowBytes, firstRow + row, rows);
    if (untouched) {
      yield bytes;
      continue;
    }
    const piece = values.subarray(0, count * width);
    dequantizeTensor(tensor.dtype, bytes, piece);
    if (columns) reorderColumns(piece, width, columns);
    change?.(piece);
    checkRange(tensor, piece, target);
    const out = encoded.subarray(0, byteLength(target, piece.length));
    quantizeTensor(target, piece, out);
    yield out;
  }
}

/** Fills `bytes` with rows from `first` on, in the new order; neighbours that stay together are read together. */
function readRows(
  checkpoint: Checkpoint,
  tensor: TensorInfo,
  bytes: Uint8Array,
  rowBytes: number,
  first: number,
  order: TensorOrder['rows'],
): void {
  if (!order) {
    checkpoint.read(tensor, bytes, first * rowBytes);
    return;
  }
  const count = bytes.length / rowBytes;
  for (let start = 0; start < count; ) {
    const from = order(first + start);
    let end = start + 1;
    while (end < count && order(first + end) === from + end - start) end++;
    checkpoint.read(tensor, bytes.subarray(start * rowBytes, end * rowBytes), from * rowBytes);
    start = end;
  }
}

/** NaN and infinity would vanish in a quantised block, large values become infinite in f16: refuse both. */
function checkRange(tensor: TensorInfo, values: Float32Array, target: DType): void {
  if (target === 'f32' || target === 'bf16') return;
  const limit = target === 'f16' ? 65_519 : Number.MAX_VALUE;
  for (let i = 0; i < values.length; i++) {
    if (Math.abs(values[i]) <= limit) continue;
    throw new KaiwenError(
      'bad_file',
      `${tensor.file}: tensor '${tensor.name}' holds ${values[i]}, too much for ${target}.`,
      {
        remedy: 'Get the file again, or choose --type bf16 to keep the value.',
      },
    );
  }
}

function reorderColumns(values: Float32Array, width: number, order: (column: number) => number): void {
  const source = Uint32Array.from({ length: width }, (_, column) => order(column));
  const row = new Float32Array(width);
  for (let start = 0; start < values.length; start += width) {
    row.set(values.subarray(start, start + width));
    for (let column = 0; column < width; column++) values[start + column] = row[source[column]];
  }
}
