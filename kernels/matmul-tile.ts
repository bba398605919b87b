/**
 * Several tokens × a panel of quantised weights. A run of columns of the panel is expanded into scratch (see
 * matmul-unpack8.ts and matmul-unpack16.ts); then two tokens at a time pass over it. A run is sized so that it stays in
 * a first-level cache of 32 to 48 kB together with the two tokens.
 */
import { panelBytes, readsBytes, runColumns, xBlockBytes } from './matmul-layout';
import { addRows } from './matmul-rows';
import { tile16 } from './matmul-tile16';
import { tile8 } from './matmul-tile8';
import { unpack16 } from './matmul-unpack16';
import { unpack8 } from './matmul-unpack8';

/** Float sums of a tile: 2 tokens × 16 rows. As much again is the tile's own. */
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
    for (let t = 0; t < tokens; t += 2) {
      // Past the end, a tile computes the last token again and its sums are dropped.
      const x0 = xRun + <usize>t * xStride;
      const x1 = xRun + <usize>min(t + 1, tokens - 1) * xStride;
      memory.fill(scratch, 0, SUMS);
      if (bytes) tile8(type, unpacked, blocks, x0, x1, scratch);
      else tile16(type, unpacked, blocks, x0, x1, scratch);
      for (let i = 0; i < min(2, tokens - t); i++) {
        const sums = scratch + (<usize>i << 6);
        const yt = y + <usize>(t + i) * yStride;
        for (let r: usize = 0; r < 16; r += 4) addRows(yt + (r << 2), v128.load(sums + (r << 2)), rows - <i32>r);
      }
    }
  }
}
