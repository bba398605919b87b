/**
 * y[t, r] (+)= Σ_c weights[r, c] · x[t, c] + bias[r]. A piece is a range of 16-row panels × a range of tokens, or of
 * one expert's tokens. Machine code computes where there is any (matmul-native.ts, matmul-float-native.ts). Otherwise
 * one to a few tokens run the decoding kernels, which read each panel from start to end with one accumulator lane a row;
 * more tokens expand a panel into scratch once, where it stays in the first-level cache, and all tokens pass over it.
 */
import { Held, Matmul, PANEL, X8_BLOCK } from '../src/tensor/ops/layout-constants';
import { decodeQ4K } from './matmul-decode-q4_k';
import { decodeQ4_0 } from './matmul-decode-q4_0';
import { decodeQ6K } from './matmul-decode-q6_k';
import { decodeQ8_0 } from './matmul-decode-q8_0';
import { floatRows } from './matmul-float';
import { hasNativeFloat, nativeFloatRows } from './matmul-float-native';
import { panelBytes, runColumns, xBlockBytes } from './matmul-layout';
import { nativeKernel, nativePanels } from './matmul-native';
import { addBias, addRows, startRows } from './matmul-rows';
import { panelTiles } from './matmul-tile';
import { hasNative } from './native';
import { int, ptr } from './record';

/** Up to this many tokens, a panel is decoded again for each while it is in cache: cheaper than expanding it. */
function decodeTokens(type: i32): i32 {
  if (type == Held.q8_0) return 3;
  return type == Held.q6_k ? 1 : 2;
}

export function matmul(op: usize, piece: i32, scratch: usize): void {
  const type = int(op, Matmul.type);
  const rows = int(op, Matmul.rows);
  const cols = int(op, Matmul.cols);
  const rowPieces = int(op, Matmul.rowPieces);
  const group = piece / rowPieces;

  let weights = ptr(op, Matmul.weights);
  let firstToken = group * int(op, Matmul.tokensPerPiece);
  let tokens = min(int(op, Matmul.tokensPerPiece), int(op, Matmul.tokens) - firstToken);
  const offsets = ptr(op, Matmul.offsets);
  if (offsets) {
    const expert = busyExpert(offsets, int(op, Matmul.experts), group);
    if (expert < 0) return;
    const at = offsets + (<usize>expert << 2);
    firstToken = load<i32>(at);
    tokens = load<i32>(at, 4) - firstToken;
    weights += <usize>expert * ptr(op, Matmul.expertStride);
  }

  const float = type <= Held.bf16;
  const native = !float && hasNative(nativeKernel(type));
  const xBlock = native ? X8_BLOCK : xBlockBytes(type);
  const xStride: usize = float ? <usize>cols << 2 : <usize>(cols >> 5) * xBlock;
  const yStride = <usize>int(op, Matmul.yStride) << 2;
  const x = ptr(op, Matmul.x) + <usize>firstToken * xStride;
  const bytes = panelBytes(type, cols);

  const perPiece = int(op, Matmul.panelsPerPiece);
  const panel = (piece - group * rowPieces) * perPiece;
  const end = min(panel + perPiece, (rows + PANEL - 1) / PANEL);
  const row = panel * PANEL;
  let left = min(end * PANEL, rows) - row;
  let y = ptr(op, Matmul.y) + <usize>firstToken * yStride + (<usize>row << 2);
  const bias = ptr(op, Matmul.bias) ? ptr(op, Matmul.bias) + (<usize>row << 2) : 0;
  const accumulate = int(op, Matmul.accumulate) != 0;
  // Machine code for quantised types needs no zeros to start from.
  const overwrite = native && !accumulate && !bias;
  if (accumulate && bias) addBias(y, yStride, bias, tokens, left);
  else if (!accumulate && !overwrite) startRows(y, yStride, bias, tokens, left);

  let w = weights + <usize>panel * bytes;
  if (native) nativePanels(type, w, bytes, x, xStride, y, yStride, tokens, left, cols, !overwrite, scratch);
  else if (float && hasNativeFloat(type)) nativeFloatRows(type, w, x, y, yStride, tokens, left, cols, scratch);
  else if (float) floatRows(type, w, bytes / PANEL, x, xStride, y, yStride, tokens, left, cols, scratch);
  else {
    for (; left > 0; left -= PANEL) {
      const count = min(PANEL, left);
      if (tokens <= decodeTokens(type)) decode(type, w, x, xStride, y, yStride, tokens, count, cols, scratch);
      else panelTiles(type, w, x, xStride, y, yStride, tokens, count, cols, scratch);
      w += bytes;
      y += PANEL << 2;
    }
  }
}

/** The `group`-th expert that has tokens, or −1. */
function busyExpert(offsets: usize, experts: i32, group: i32): i32 {
  let from = load<i32>(offsets);
  for (let expert = 0; expert < experts; expert++) {
    offsets += 4;
    const to = load<i32>(offsets);
    if (to > from && group-- == 0) return expert;
    from = to;
  }
  return -1;
}

/** Sums end with a run of columns as they do in tiles: a token's result is the same, bit for bit, beside others. */
function decode(
  type: i32, w: usize, x: usize, xStride: usize, y: usize, yStride: usize,
  tokens: i32, rows: i32, cols: i32, scratch: usize,
): void {
  const run = runColumns(type);
  for (let col = 0; col < cols; col += run) {
    const n = min(run, cols - col);
    const wRun = w + panelBytes(type, col);
    let xt = x + <usize>(col >> 5) * xBlockBytes(type);
    let yt = y;
    for (let t = 0; t < tokens; t++) {
      if (type == Held.q8_0) decodeQ8_0(wRun, xt, n >> 5, scratch);
      else if (type == Held.q4_0) decodeQ4_0(wRun, xt, n >> 5, scratch);
      else if (type == Held.q4_k) decodeQ4K(wRun, xt, n >> 8, scratch);
      else decodeQ6K(wRun, xt, n >> 8, scratch);
      for (let r: usize = 0; r < 16; r += 4) {
        addRows(yt + (r << 2), v128.load(scratch + (r << 2)), rows - <i32>r);
      }
      xt += xStride;
      yt += yStride;
    }
  }
}
