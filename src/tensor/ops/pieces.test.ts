import { describe, expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { kvPagesBytes, onAllBackends, oneRun, random, runBackwards } from '../../../test/sequence-cases.js';
import { attention, attentionWorkBytes } from './attention.js';
import { conv } from './conv.js';
import { deltaRule, deltaStateBytes } from './delta.js';
import { add, copy, sigmoidGate, swiglu } from './elementwise.js';
import { storeKV } from './kv.js';
import { combine, gather, route } from './moe.js';
import { gatedNorm, rmsNorm } from './norm.js';
import { columnsPerPiece, rectangles, rowsPerPiece } from './pieces.js';
import { rope } from './rope.js';

const TOKENS = 70;
const COLS = 1000;

/** One operation of each kind, large enough for several pieces. */
function record(bench: KernelBench): void {
  const p = bench.program;
  const input = (n: number, seed = n) => bench.put(random(n, seed));
  const output = (n: number) => bench.alloc(n * 4);
  const x = input(TOKENS * COLS);
  const y = output(TOKENS * COLS);
  const matrix = { x, y, rows: TOKENS, cols: COLS };
  rmsNorm(p, { ...matrix, weight: input(COLS), eps: 1e-6 });
  gatedNorm(p, { ...matrix, y: output(TOKENS * COLS), gate: y, weight: input(COLS), eps: 1e-6 });
  sigmoidGate(p, { ...matrix, y: output(TOKENS * COLS), gate: y });
  swiglu(p, { gate: x, up: y, y: output(TOKENS * COLS), tokens: TOKENS, n: COLS });
  add(p, { a: x, b: y, y, n: TOKENS * COLS });
  copy(p, { src: y, dst: output(TOKENS * COLS), bytes: TOKENS * COLS * 4 });
  const state = input(3 * COLS);
  conv(p, { x, state, weight: input(4 * COLS), y: output(TOKENS * COLS), tokens: TOKENS, channels: COLS, kernel: 4 });

  const [heads, kvHeads, headDim, capacity] = [8, 4, 64, 700];
  const q = input(TOKENS * heads * headDim);
  const tables = { cos: input(TOKENS * 32, 7), sin: input(TOKENS * 32, 8) };
  rope(p, { ...tables, tokens: TOKENS, headDim, parts: [{ x: q, heads }] });
  const pages = output(kvPagesBytes('f16', kvHeads, headDim, capacity) / 4);
  const cache = { type: 'f16', pages, headDim } as const;
  const [k, v] = [input(capacity * kvHeads * headDim, 3), input(capacity * kvHeads * headDim, 4)];
  storeKV(p, { ...cache, k, v, heads: kvHeads, batch: oneRun(bench, capacity, 0) });
  for (const tokens of [1, 6, TOKENS]) {
    const out = output(tokens * heads * headDim);
    const batch = oneRun(bench, tokens, 620);
    const work = bench.alloc(attentionWorkBytes(batch.runs, heads, headDim, capacity));
    const shape = { ...cache, batch, heads, kvHeads, scale: 0.1 };
    attention(p, { ...shape, q, out, work });
    const recurrent = bench.put(new Uint8Array(deltaStateBytes(heads, headDim, 80)));
    const rule = {
      q: input(tokens * 4 * headDim, 5),
      k: input(tokens * 4 * headDim, 6),
      v: input(tokens * heads * 80, 9),
    };
    const gates = { g: bench.put(random(tokens * heads, 10).map((v) => v - 1)), beta: input(tokens * heads, 11) };
    const sizes = { tokens, keyHeads: 4, valueHeads: heads, keyDim: headDim, valueDim: 80 };
    deltaRule(p, { ...rule, ...gates, ...sizes, state: recurrent, out: output(tokens * heads * 80) });
  }

  const [experts, topK] = [64, 6];
  const n = TOKENS * topK;
  const [ids, weights, order, inverse] = [output(n), output(n), output(n), output(n)];
  const xs = output(n * COLS);
  route(p, { logits: input(TOKENS * experts), tokens: TOKENS, experts, topK, normalize: true, ids, weights });
  const offsets = output(experts + 1);
  gather(p, { ids, tokens: TOKENS, topK, experts, offsets, order, inverse, x, xs, cols: COLS });
  combine(p, { y: xs, inverse, weights, out: output(TOKENS * COLS), tokens: TOKENS, topK, cols: COLS });
}

const SIZE = 32 << 20;

/** The memory that record() used, from its first allocation at `start`. */
const used = ({ memory }: KernelBench, start: number) => Buffer.from(memory.buffer, start, SIZE - (4 << 20));

onAllBackends('pieces', (simd, isa) => {
  it('may run in any order', () => {
    const forwards = new KernelBench(simd, SIZE, isa);
    const backwards = new KernelBench(simd, SIZE, isa);
    const start = forwards.alloc(0);
    record(forwards);
    record(backwards);
    forwards.run();
    runBackwards(backwards);
    expect(used(forwards, start).equals(used(backwards, start))).toBe(true);
  });

  it('may lie above 2 GiB', () => {
    const low = new KernelBench(simd, SIZE, isa);
    const high = new KernelBench(simd, 2 ** 31 + SIZE, isa);
    const start = low.alloc(0);
    high.alloc(2 ** 31 - start);
    const above = high.alloc(0);
    expect(above).toBeGreaterThanOrEqual(2 ** 31);
    record(low);
    record(high);
    low.run();
    high.run();
    expect(used(low, start).equals(used(high, above))).toBe(true);
  });
});

describe('cutting into pieces', () => {
  it('covers everything', () => {
    for (const cols of [1, 15, 16, 17, 1000, 8192, 8193, 100_000]) {
      const width = columnsPerPiece(cols, 8192);
      expect(width % 32).toBe(0);
      expect(width * Math.ceil(cols / width)).toBeGreaterThanOrEqual(cols);
      for (const rows of [1, 3, 512]) {
        const cut = rectangles(rows, cols, 8192);
        expect(cut.pieces).toBe(Math.ceil(rows / cut.rows) * Math.ceil(cols / cut.cols));
        expect(rowsPerPiece(rows, cols, 8192)).toBeGreaterThanOrEqual(1);
      }
    }
  });
});
