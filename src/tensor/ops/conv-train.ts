/** Causal depthwise convolution and SiLU in training: sequences packed one after the other, each from zeros, and the way back. */
import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { columnsPerPiece } from './pieces.js';

export interface ConvTrain {
  /** [rows, channels]. */
  x: number;
  /** [channels, kernel]; the last column meets the newest input. */
  weight: number;
  /** [rows, channels]; must not overlap x. */
  y: number;
  channels: number;
  kernel: number;
  xStride?: number;
  yStride?: number;
  /** int32 [runCount, 2] = first row, rows, read when the operation runs. Rows of no run stay as they are. */
  runs: number;
  runCount: number;
}

/** A piece is some channels of all runs. */
const CHANNELS = 64;

export function convTrain(p: Program, o: ConvTrain): void {
  const { x, weight, y, channels, kernel, xStride = channels, yStride = channels, runs, runCount } = o;
  const per = columnsPerPiece(channels, CHANNELS);
  const ints = [x, weight, y, channels, kernel, xStride, yStride, runs, runCount, per];
  p.emit(Op.convTrain, Math.ceil(channels / per), ints);
}

export interface ConvBackward extends Omit<ConvTrain, 'y' | 'yStride'> {
  dy: number;
  /** Must not overlap x or dy. */
  dx: number;
  /** [channels, kernel], always added to; 0 if the weight is frozen. */
  dw: number;
  dyStride?: number;
  dxStride?: number;
  /** Add to dx instead of overwriting it. */
  accumulate?: boolean;
}

/** Through convTrain, whose sums before SiLU are computed again. */
export function convBackward(p: Program, o: ConvBackward): void {
  const { x, weight, dy, dx, dw, channels, kernel, runs, runCount, accumulate = false } = o;
  const { xStride = channels, dyStride = channels, dxStride = channels } = o;
  const per = columnsPerPiece(channels, CHANNELS);
  const ints = [x, weight, dy, dx, dw, channels, kernel, xStride, dyStride, dxStride, runs, runCount, per];
  p.emit(Op.convBackward, Math.ceil(channels / per), [...ints, accumulate ? 1 : 0]);
}
