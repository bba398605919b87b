/**
 * Speculation and batching compute a token beside others and rely on getting, bit for bit, what it would get alone.
 * Matrix products have their own test of this (matmul.test.ts).
 */
import { expect, it } from 'vitest';
import { KernelBench } from '../../../test/kernel-bench.js';
import { onAllBackends, random } from '../../../test/sequence-cases.js';
import { conv } from './conv.js';
import { deltaRule, deltaStateBytes } from './delta.js';
import { sigmoidGate, swiglu } from './elementwise.js';
import { combine, gather, route } from './moe.js';
import { gatedNorm, rmsNorm } from './norm.js';
import { rope } from './rope.js';

const TOKENS = 16;

/** Records an operation over rows [from, from + rows). */
type Step = (from: number, rows: number) => void;
/** Puts the inputs of all rows and says how to compute some, and what to compare: [address, floats]. */
type Prepare = (bench: KernelBench) => { step: Step; results: [number, number][] };

const CASES: Record<string, Prepare> = {
  'norms, gates and SwiGLU': norms(1000),
  'norms, gates and SwiGLU of whole vectors': norms(1008),
  rotation: rotation(20),
  'rotation of whole vectors': rotation(96),
  convolution: (bench) => {
    const [channels, kernel] = [5000, 4];
    const x = bench.put(random(TOKENS * channels, 1, 3));
    const weight = bench.put(random(channels * kernel, 2));
    const state = bench.put(random(channels * (kernel - 1), 3));
    const y = bench.alloc(4 * TOKENS * channels);
    return {
      step: (from, tokens) => {
        const at = 4 * from * channels;
        conv(bench.program, { x: x + at, y: y + at, weight, state, tokens, channels, kernel });
      },
      results: [
        [y, TOKENS * channels],
        [state, channels * (kernel - 1)],
      ],
    };
  },
  'delta rule': (bench) => {
    const sizes = { keyHeads: 2, valueHeads: 4, keyDim: 32, valueDim: 40 };
    const [keys, values] = [2 * 32, 4 * 40];
    const at = (seed: number, n: number) => bench.put(random(TOKENS * n, seed));
    const [q, k, v, beta] = [at(1, keys), at(2, keys), at(3, values), at(4, 4)];
    const g = bench.put(random(TOKENS * 4, 5).map((value) => value - 1));
    const state = bench.put(new Uint8Array(deltaStateBytes(4, 32, 40)));
    const out = bench.alloc(4 * TOKENS * values);
    return {
      step: (from, tokens) => {
        const [key, value, head] = [4 * from * keys, 4 * from * values, 16 * from];
        const place = { q: q + key, k: k + key, v: v + value, g: g + head, beta: beta + head, out: out + value };
        deltaRule(bench.program, { ...sizes, ...place, state, tokens });
      },
      results: [
        [out, TOKENS * values],
        [state, deltaStateBytes(4, 32, 40) / 4],
      ],
    };
  },
  'mixture of experts': (bench) => {
    const [experts, topK, cols] = [9, 3, 70];
    const logits = bench.put(random(TOKENS * experts, 1, 5));
    const x = bench.put(random(TOKENS * cols, 2));
    const [ids, weights, order, inverse] = [1, 2, 3, 4].map(() => bench.alloc(4 * TOKENS * topK));
    const offsets = bench.alloc(4 * (experts + 1));
    const xs = bench.alloc(4 * TOKENS * topK * cols);
    const out = bench.put(random(TOKENS * cols, 3));
    const p = bench.program;
    return {
      step: (from, tokens) => {
        route(p, { logits: logits + 4 * from * experts, tokens, experts, topK, normalize: true, ids, weights });
        gather(p, { ids, tokens, topK, experts, offsets, order, inverse, x: x + 4 * from * cols, xs, cols });
        combine(p, { y: xs, inverse, weights, out: out + 4 * from * cols, tokens, topK, cols, accumulate: true });
      },
      results: [[out, TOKENS * cols]],
    };
  },
};

onAllBackends('rows of a step', (simd, isa) => {
  it.each(Object.keys(CASES))('%s: a row is the same beside up to 15 others', (name) => {
    const run = (rowsPerStep: number): Buffer => {
      const bench = new KernelBench(simd, 8 << 20, isa);
      const { step, results } = CASES[name](bench);
      for (let from = 0; from < TOKENS; from += rowsPerStep) step(from, Math.min(rowsPerStep, TOKENS - from));
      bench.run();
      return Buffer.concat(results.map(([at, n]) => Buffer.from(bench.memory.buffer, at, 4 * n)));
    };
    const alone = run(1);
    for (let rows = 2; rows <= TOKENS; rows++) expect(run(rows).equals(alone)).toBe(true);
  });
});

function norms(cols: number): Prepare {
  return (bench) => {
    const x = bench.put(random(TOKENS * cols, 1, 5));
    const gate = bench.put(random(TOKENS * cols, 2, 5));
    const weight = bench.put(random(cols, 3));
    const outputs = [0, 1, 2, 3].map(() => bench.alloc(4 * TOKENS * cols));
    const p = bench.program;
    return {
      step: (from, rows) => {
        const at = 4 * from * cols;
        const matrix = { x: x + at, gate: gate + at, weight, rows, cols, eps: 1e-6 };
        rmsNorm(p, { ...matrix, y: outputs[0] + at });
        gatedNorm(p, { ...matrix, y: outputs[1] + at });
        sigmoidGate(p, { ...matrix, y: outputs[2] + at });
        swiglu(p, { gate: x + at, up: gate + at, y: outputs[3] + at, tokens: rows, n: cols });
      },
      results: outputs.map((y) => [y, TOKENS * cols]),
    };
  };
}

function rotation(headDim: number): Prepare {
  return (bench) => {
    const heads = 3;
    const x = bench.put(random(TOKENS * heads * headDim, 1));
    const tables = [bench.put(random((TOKENS * headDim) / 2, 2)), bench.put(random((TOKENS * headDim) / 2, 3))];
    const norm = { weight: bench.put(random(headDim, 4)), eps: 1e-6, weightOffset: 0 };
    const y = bench.alloc(4 * TOKENS * heads * headDim);
    return {
      step: (from, tokens) => {
        const at = 4 * from * heads * headDim;
        const [cos, sin] = tables.map((table) => table + 2 * headDim * from);
        rope(bench.program, { cos, sin, tokens, headDim, parts: [{ x: x + at, y: y + at, heads, norm }] });
      },
      results: [[y, TOKENS * heads * headDim]],
    };
  };
}
