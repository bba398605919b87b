/**
 * Causal attention over the KV cache with a streaming softmax: keys and values are visited in blocks of positions, so
 * nothing of size tokens × context exists. The query heads that share a KV head, and several rows of a run, are rows of
 * one product and read each block together. Short runs go to attention-decode.ts, which cuts the context into ranges;
 * long ones to attention-prefill.ts, which cuts the run. See FlashAttention (arXiv:2205.14135) for the idea, kv.ts for
 * the cache's layout and tile.ts for the products.
 */
import { Attention, DECODE_ROWS, Run } from '../src/tensor/ops/kv-constants';
import { decode, rangesUpTo } from './attention-decode';
import { prefill } from './attention-prefill';
import { int, ptr } from './record';

/** Pieces are ordered by run, then KV head, then range or part of the run. */
export function attention(op: usize, piece: i32, scratch: usize): void {
  const perPiece = int(op, Attention.perPiece);
  let run = ptr(op, Attention.table);
  let decoded = 0;
  for (let i = int(op, Attention.runs); i > 0; i--) {
    const rows = load<i32>(run, Run.rows << 2);
    const short = rows <= DECODE_ROWS;
    const cuts = short ? rangesUpTo(load<i32>(run, Run.position << 2) + rows) : (rows + perPiece - 1) / perPiece;
    const pieces = cuts * int(op, Attention.kvHeads);
    if (piece < pieces) {
      if (short) decode(op, run, decoded, piece / cuts, piece % cuts, scratch);
      else prefill(op, run, piece / cuts, (piece % cuts) * perPiece, scratch);
      return;
    }
    piece -= pieces;
    if (short) decoded += rows;
    run += Run.size << 2;
  }
}
