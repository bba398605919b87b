import { Op } from '../opcodes.js';
import type { Program } from '../program.js';
import { copy } from './elementwise.js';
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

const TOKENS = 16;

/** Causal depthwise convolution over time, without bias, followed by SiLU. */
export function conv(p: Program, o: Conv): void {
  const { x, state, weight, y, tokens, channels, kernel, xStride = channels, yStride = channels } = o;
  const history = kernel - 1;
  // Several pieces along time all need the old state: it is then replaced afterwards.
  const along = tokens > TOKENS && tokens >= history;
  const tokensPer = along ? TOKENS : tokens;
  const per = columnsPerPiece(channels, Math.max(64, Math.min(4096, (1 << 13) / Math.min(tokens, TOKENS))));
  const pieces = Math.ceil(channels / per) * Math.ceil(tokens / tokensPer);
  const ints = [x, state, weight, y, tokens, channels, kernel, xStride, yStride, per, tokensPer, along ? 0 : 1];
  p.emit(Op.conv, pieces, ints);
  if (!along) return;
  for (let i = 0; i < history; i++) {
    const src = x + (tokens - history + i) * xStride * 4;
    copy(p, { src, dst: state + i * channels * 4, bytes: channels * 4 });
  }
}
