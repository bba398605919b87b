/**
 * Several tokens × a panel of quantised weights. A run of columns of the panel is expanded into scratch (see
 * matmul-unpack8.ts and matmul-unpack16.ts); then groups of tokens pass over its four groups of rows. Run and group
 * are sized so that both stay in a first-level cache of 32 to 48 kB.
 */
import { panelBytes, readsBytes, xBlockBytes } from './matmul-layout';
import { addRows } from './matmul-rows';
import { tile16 } from './matmul-tile16';
import { tile8 } from './matmul-tile8';
import { unpack16, UNPACKED_16 } from './matmul-unpack16';
import { unpack8, UNPACKED_8 } from './matmul-unpack8';

const COLUMNS_8: i32 = 1024;
const COLUMNS_16: i32 = 512;
const TOKENS: i32 = 8;

export function panelTiles(
  type: i32, w: usize, x: usize, xStride: usize, y: usize, yStride: usize,
  tokens: i32, rows: i32, cols: i32, scratch: usize,
): void {
  const unpacked = scratch + (TOKENS << 4);
  const bytes = readsBytes(type);
  const run = bytes ? COLUMNS_8 : COLUMNS_16;
  for (let col = 0; col < cols; col += run) {
    const blocks = min(run, cols - col) >> 5;
    const wRun = w + panelBytes(type, col);
    const xRun = x + <usize>(col >> 5) * xBlockBytes(type);
    if (bytes) unpack8(type, wRun, blocks, unpacked);
    else unpack16(type, wRun, blocks, unpacked);
    const group = <usize>blocks * (bytes ? UNPACKED_8 : UNPACKED_16);
    for (let t = 0; t < tokens; t += TOKENS) {
      const n = min(TOKENS, tokens - t);
      const xt = xRun + <usize>t * xStride;
      const yt = y + <usize>t * yStride;
      for (let row = 0; row < rows; row += 4) {
        const wr = unpacked + <usize>(row >> 2) * group;
        const yr = yt + (<usize>row << 2);
        memory.fill(scratch, 0, TOKENS << 4);
        if (bytes) tile8(type, wr, blocks, xt, xStride, scratch, n);
        else tile16(type, wr, blocks, xt, xStride, scratch, n);
        for (let i = 0; i < n; i++) {
          addRows(yr + <usize>i * yStride, v128.load(scratch + (<usize>i << 4)), rows - row);
        }
      }
    }
  }
}
