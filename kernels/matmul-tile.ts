/**
 * Four tokens or more × a panel of quantised weights. A run of columns of the panel is expanded into scratch (see
 * matmul-unpack.ts), sized so that it and four tokens' activations stay in a 32 kB first-level cache; then every
 * tile of 4 tokens passes over it. A remainder of 1 to 3 tokens runs the same tile with fewer accumulators.
 */
import { panelBytes, readsBytes, xBlockBytes } from './matmul-layout';
import { tile16 } from './matmul-tile16';
import { tile8 } from './matmul-tile8';
import { unpack16 } from './matmul-unpack16';
import { unpack8 } from './matmul-unpack8';

const COLUMNS_8: i32 = 1024;
const COLUMNS_16: i32 = 512;

export function panelTiles(
  type: i32, w: usize, x: usize, xStride: usize, y: usize, yStride: usize,
  tokens: i32, rows: i32, cols: i32, scratch: usize,
): void {
  const run = readsBytes(type) ? COLUMNS_8 : COLUMNS_16;
  for (let col = 0; col < cols; col += run) {
    const blocks = min(run, cols - col) >> 5;
    const wRun = w + panelBytes(type, col);
    const xRun = x + <usize>(col >> 5) * xBlockBytes(type);
    if (readsBytes(type)) {
      unpack8(type, wRun, blocks, scratch);
      tile8(type, scratch, blocks, xRun, xStride, y, yStride, tokens, rows);
    } else {
      unpack16(type, wRun, blocks, scratch);
      tile16(type, scratch, blocks, xRun, xStride, y, yStride, tokens, rows);
    }
  }
}
