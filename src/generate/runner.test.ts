/** What the executor records: nothing is computed here. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { openCheckpoint } from '../formats/open.js';
import { type Block, buildModel, type ModelDefinition } from '../models/model.js';
import type { Ops } from '../models/ops.js';
import type { Linear, Norm } from '../models/weights.js';
import { type Arena, CountingArena } from '../tensor/arena.js';
import { OP_BYTES, Op } from '../tensor/opcodes.js';
import type { HeldType } from '../tensor/ops/layout.js';
import { Cache } from './cache.js';
import { Runner } from './runner.js';
import { CheckpointWeights } from './weights.js';

/** A small Qwen3 whose matrices are taken to be of `type`; nothing of them is read. */
function qwen3(arena: Arena, type: HeldType): ModelDefinition {
  const path = fileURLToPath(new URL('../../test/fixtures/logits/qwen3-tied-headdim', import.meta.url));
  using checkpoint = openCheckpoint(path, { vocabulary: false });
  const weights = new CheckpointWeights(checkpoint);
  const model = buildModel(checkpoint.config, weights, weights.enterLayer);
  for (const weight of weights.held) {
    if (weight.rows > 1) Object.assign(weight, { type });
    weight.arena = arena;
    weight.pointer = arena.alloc(weight.bytes);
  }
  return model;
}

/** The operations of one token through `blocks` of the model. */
function record(arena: Arena, model: ModelDefinition, blocks: readonly Block[]): Op[] {
  const cache = new Cache('f16', { capacity: 64, sequences: 1 }, model.rope);
  for (const block of blocks) for (const state of block.states) cache.place(state, arena);
  const ops: Op[] = [];
  const run = ({ memory, program }: Arena) => {
    const words = new Int32Array(memory.buffer, program.pointer);
    for (let i = 0; i < program.count; i++) ops.push(words[(i * OP_BYTES) / 4]);
    program.clear();
  };
  const executor = { simd: 'plain', isNative: false, run } as const;
  const runner = new Runner({ ...model, blocks }, new Array(blocks.length + 1).fill(arena), cache, executor);
  runner.forward([{ sequence: cache.open([1])!, tokens: [1] }], () => {});
  return ops;
}

it.each([
  // Attention's output is quantised by itself: heads end in different pieces.
  ['q8_0', [Op.quantize]],
  ['f32', []],
] as const)('records a layer of Qwen3 in few operations, %s', (type, output) => {
  const arena = new CountingArena();
  const model = qwen3(arena, type);
  const [embedding, ...layer] = record(arena, model, model.blocks.slice(0, 1));
  expect(embedding).toBe(Op.embed);
  const count = (op: Op) => layer.filter((other) => other === op).length;
  expect([Op.rmsNorm, Op.rope, Op.swiglu, Op.quantize].map(count)).toEqual([2, 1, 1, output.length]);
  // The norms write blocks, so no operation stands between a norm and its first product.
  const norm = layer.indexOf(Op.rmsNorm);
  expect(layer.slice(norm, norm + 2)).toEqual([Op.rmsNorm, Op.matmul]);
  expect(layer.slice(-4, -1)).toContain(Op.swiglu);
});

it('records a norm before the residual that it reads changes', () => {
  const arena = new CountingArena();
  const model = qwen3(arena, 'q8_0');
  const { input_layernorm: norm, self_attn } = model.blocks[0] as unknown as {
    input_layernorm: Norm;
    self_attn: { o_proj: Linear };
  };
  const { hiddenSize } = model;
  const square: Linear = { ...self_attn.o_proj, in: hiddenSize, out: hiddenSize };
  const block: Block = {
    states: [],
    forward<T>(o: Ops<T>, x: T): T {
      const [first, second] = [o.rmsNorm(x, norm), o.rmsNorm(x, norm)];
      return o.linear(second, square, o.linear(first, square, x));
    },
  };
  expect(record(arena, model, [block])).toEqual([Op.embed, Op.rmsNorm, Op.rmsNorm, Op.matmul, Op.quantize, Op.matmul]);
});
