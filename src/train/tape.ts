/**
 * What the operations of a model's blocks mean in training: each records its forward pass and leaves its way back on the
 * graph. One file an operation in ops/, where shape, forward and backward stand together.
 */
import type { AttentionShape, DeltaShape, Ops } from '../models/ops.js';
import type { Rope } from '../models/rope.js';
import type { ConvState, DeltaState, KVCache } from '../models/state.js';
import type { Experts, Linear, Norm, Vector } from '../models/weights.js';
import type { Graph } from './graph.js';
import { attention } from './ops/attention.js';
import { conv, deltaRule } from './ops/delta.js';
import { experts } from './ops/experts.js';
import { gatedNorm, sigmoidGate } from './ops/gates.js';
import { linear } from './ops/linear.js';
import { rmsNorm } from './ops/norm.js';
import { rope } from './ops/rope.js';
import { swiglu } from './ops/swiglu.js';
import type { Value } from './value.js';

export class Tape implements Ops<Value> {
  constructor(private readonly graph: Graph) {}

  linear(x: Value, w: Linear, residual?: Value): Value {
    return linear(this.graph, x, w, residual);
  }

  linears(x: Value, layers: readonly Linear[]): Value[] {
    return layers.map((layer) => linear(this.graph, x, layer));
  }

  rmsNorm(x: Value, w: Norm, heads = 1): Value {
    return rmsNorm(this.graph, x, w, heads);
  }

  slice(x: Value, from: number, columns: number, period?: number): Value {
    return x.slice(from, columns, period);
  }

  rope(x: Value, heads: number, headDim: number, by: Rope): Value {
    return rope(this.graph, x, heads, headDim, by);
  }

  attention(q: Value, k: Value, v: Value, _cache: KVCache, shape: AttentionShape): Value {
    return attention(this.graph, q, k, v, shape);
  }

  swiglu(gate: Value, up: Value): Value {
    return swiglu(this.graph, gate, up);
  }

  experts(x: Value, w: Experts, residual: Value): Value {
    return experts(this.graph, x, w, residual);
  }

  sigmoidGate(x: Value, gate: Value): Value {
    return sigmoidGate(this.graph, x, gate);
  }

  gatedNorm(x: Value, gate: Value, w: Norm, heads: number): Value {
    return gatedNorm(this.graph, x, gate, w, heads);
  }

  conv(x: Value, weight: Vector, { kernel }: ConvState): Value {
    return conv(this.graph, x, weight, kernel);
  }

  deltaRule(
    qkv: Value,
    a: Value,
    b: Value,
    w: { aLog: Vector; dtBias: Vector },
    _state: DeltaState,
    shape: DeltaShape,
  ): Value {
    return deltaRule(this.graph, qkv, a, b, w, shape);
  }
}
