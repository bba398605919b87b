/**
 * Fills the arenas from the file. Plain types are read straight to where they stay; quantised types pass through a
 * small staging area from which the team repacks them into panels; types without a kernel are re-encoded, exactly,
 * on the way. There is never a second copy of a tensor.
 */
import { KaiwenError } from '../errors.js';
import type { Checkpoint } from '../formats/checkpoint.js';
import { dequantizeTensor, reencode } from '../formats/quant/index.js';
import { byteLength } from '../tensor/dtype.js';
import { repack } from '../tensor/ops/repack.js';
import type { Team } from '../tensor/team.js';
import type { LoadProgress } from './engine.js';
import type { HeldWeight } from './weights.js';

/** Bytes of staging; an arena must have as much scratch. */
export const STAGING_BYTES = 8 << 20;
const READ_BYTES = 32 << 20;
const PANEL_ROWS = 16;

/** Reads every placed weight. `report` is called often and may throw to stop. */
export function loadWeights(
  checkpoint: Checkpoint,
  weights: readonly HeldWeight[],
  team: Team,
  report: (progress: LoadProgress) => void,
): void {
  const totalBytes = weights.reduce((sum, w) => sum + w.tensor.byteLength, 0);
  let loadedBytes = 0;
  for (const weight of weights) {
    load(checkpoint, weight, team, (bytes) => {
      loadedBytes += bytes;
      report({ loadedBytes, totalBytes });
    });
  }
}

function load(checkpoint: Checkpoint, w: HeldWeight, team: Team, done: (bytes: number) => void): void {
  const { tensor } = w;
  const panels = w.type !== 'f32' && w.type !== 'f16' && w.type !== 'bf16';
  if (!panels && tensor.dtype === w.type) {
    for (let from = 0; from < w.bytes; from += READ_BYTES) {
      const length = Math.min(READ_BYTES, w.bytes - from);
      checkpoint.read(tensor, w.arena.bytes(w.pointer + from, length), from);
      done(length);
    }
    return;
  }

  const mark = w.arena.mark;
  const fileRow = byteLength(tensor.dtype, w.columns);
  const heldRow = byteLength(w.type, w.columns);
  const step = Math.floor(STAGING_BYTES / Math.max(fileRow, heldRow) / PANEL_ROWS) * PANEL_ROWS;
  if (step === 0 && w.rows > 1) {
    throw new KaiwenError(
      'unsupported',
      `${tensor.file}: rows of ${w.columns} values in "${tensor.name}" are too long.`,
    );
  }
  const staging = panels ? w.arena.alloc(STAGING_BYTES) : 0;
  const same = tensor.dtype === w.type;
  for (let matrix = 0; matrix < w.count; matrix++) {
    for (let row = 0; row < w.rows; row += step || 1) {
      const rows = Math.min(step || 1, w.rows - row);
      const dst = w.pointer + matrix * w.stride;
      const held = w.arena.bytes(panels ? staging : dst + row * heldRow, rows * heldRow);
      const from = (matrix * w.rows + row) * fileRow;
      if (same) {
        checkpoint.read(tensor, held, from);
      } else {
        const bytes = new Uint8Array(rows * fileRow);
        checkpoint.read(tensor, bytes, from);
        if (w.type === 'f32') dequantizeTensor(tensor.dtype, bytes, floats(held));
        else reencode(tensor.dtype, bytes, held);
      }
      if (panels) {
        repack(w.arena.program, { type: w.type, src: staging, dst, rows, cols: w.columns, firstRow: row });
        team.run(w.arena);
      }
      done(rows * fileRow);
    }
  }
  w.arena.release(mark);
}

function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}
