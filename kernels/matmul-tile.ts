/**
 * Several tokens × a panel of quantised weights. A run of columns of the panel is expanded into scratch (see
 * matmul-unpack8.ts and matmul-unpack16.ts); then four tokens at a time pass over its two halves. A run is sized so
 * that it stays in a first-level cache of 32 to 48 kB together with the four tokens.
 */
import { panelBytes, readsBytes, runColumns, xBlockBytes } from './matmul-layout';
import { addRows } from './matmul-rows';
import { tile16 } from './matmul-tile16';
import { tile8 } from './matmul-tile8';
import { unpack16, UNPACKED_16 } from './matmul-unpack16';
import { unpack8, UNPACKED_8 } from './matmul-unpack8';

/** Float sums of a tile: 4 tokens × 8 rows. As much again is the tile's own. */
const SUMS: usize = 128;

export function panelTiles(
  type: i32, w: usize, x: usize, xStride: usize, y: usize, yStride: usize,
  tokens: i32, rows: i32, cols: i32, scratch: usize,
): void {
  const unpacked = scratch + 2 * SUMS;
  const bytes = readsBytes(type);
  const run = runColumns(type);
  for (let col = 0; col < cols; col += run) {
    const blocks = min(run, cols - col) >> 5;
    const wRun = w + panelBytes(type, col);
    const xRun = x + <usize>(col >> 5) * xBlockBytes(type);
    if (bytes) unpack8(type, wRun, blocks, unpacked);
    else unpack16(type, wRun, blocks, unpacked);
    const half = <usize>blocks * (bytes ? UNPACKED_8 : UNPACKED_16);
    for (let t = 0; t < tokens; t += 4) {
      // Past the end, a tile computes the last token again and its sums are dropped.
      const last = tokens - 1;
      const x0 = xRun + <usize>t * xStride;
      const x1 = xRun + <usize>min(t + 1, last) * xStride;
      const x2 = xRun + <usize>min(t + 2, last) * xStride;
      const x3 = xRun + <usize>min(t + 3, last) * xStride;
      const yt = y + <usize>t * yStride;
      for (let row = 0; row < rows; row += 8) {
        const wr = unpacked + <usize>(row >> 3) * half;
        const yr = yt + (<usize>row << 2);
        memory.fill(scratch, 0, SUMS);
        if (bytes) tile8(type, wr, blocks, x0, x1, x2, x3, scratch);
        else tile16(type, wr, blocks, x0, x1, x2, x3, scratch);
        for (let i = 0; i < min(4, tokens - t); i++) {
          const sums = scratch + (<usize>i << 5);
          addRows(yr + <usize>i * yStride, v128.load(sums), rows - row);
          addRows(yr + <usize>i * yStride + 16, v128.load(sums, 16), rows - row - 4);
        }
      }
    }
  }
}
