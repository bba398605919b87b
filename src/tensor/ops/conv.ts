import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { columnsPerPiece } from './pieces.js';

export interface Conv {
  /** [tokens, channels]. */
  x: number;
  /** [kernel - 1, channels]: the inputs before x, oldest first; zeros at the start of a sequence. Updated. */
  state: number;
  /** [channels, kernel]; the last column meets the newest input. */
  weight: number;
  /** [tokens, channels]; must not overlap x. */
  y: number;
  tokens: number;
  channels: number;
  kernel: number;
  xStride?: number;
  yStride?: number;
}

/** Causal depthwise convolution over time, without bias, followed by SiLU. */
export function conv(p: Program, o: Conv): void {
  const { x, state, weight, y, tokens, channels, kernel, xStride = channels, yStride = channels } = o;
  const per = columnsPerPiece(channels, Math.max(32, Math.min(2048, Math.floor(8192 / tokens))));
  p.emit(Op.conv, Math.ceil(channels / per), [x, state, weight, y, tokens, channels, kernel, xStride, yStride, per]);
}
