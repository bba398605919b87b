/**
 * What the operations of a model's blocks mean here: each becomes a record in an arena's program. Nothing is computed;
 * a token's pass through 28 layers costs this file about 300 records.
 *
 * Activations live in scratch. A tensor is never written twice, except the residual, which `linear` and `experts` add
 * onto in place. Norms, gates and rotations are pending until somebody reads them (tensor.ts), so that one record makes
 * what several operations describe.
 */
import type { AttentionShape, DeltaShape, Ops } from '../models/ops.js';
import type { Rope } from '../models/rope.js';
import type { ConvState, DeltaState, KVCache } from '../models/state.js';
import type { Experts, Linear, Norm, Vector, Weight } from '../models/weights.js';
import type { Arena } from '../tensor/arena.js';
import { attention, attentionWorkBytes } from '../tensor/ops/attention.js';
import type { Batch } from '../tensor/ops/batch.js';
import { conv } from '../tensor/ops/conv.js';
import { deltaGates, deltaRule } from '../tensor/ops/delta.js';
import { sigmoidGate, swiglu } from '../tensor/ops/elementwise.js';
import { storeKV } from '../tensor/ops/kv.js';
import { DECODE_ROWS } from '../tensor/ops/kv-constants.js';
import { activationBits, type HeldType } from '../tensor/ops/layout.js';
import { matmul, matmulExperts } from '../tensor/ops/matmul.js';
import { combine, gather, route } from '../tensor/ops/moe.js';
import { gatedNorm, rmsNorm } from '../tensor/ops/norm.js';
import { quantize, quantizedBytes } from '../tensor/ops/quantize.js';
import { scaleColumns } from '../tensor/ops/scale.js';
import { type AdaptedRows, type AdaptedSpan, addAdapter, spansFor } from './adapted.js';
import type { Cache } from './cache.js';
import { type RopeTables, Rotation } from './rotation.js';
import type { Executor } from './runner.js';
import { type Recipe, Tensor } from './tensor.js';
import { areNeighbours, type HeldWeight, pointerOf } from './weights.js';

export class Recorder implements Ops<Tensor> {
  /** Of the step's rows, the first that the next operations are about. */
  private firstRow = 0;
  /** Rows are to get the bits that each would get alone. */
  private asAlone = false;
  private adapted: readonly AdaptedRows[] = [];
  private batch: Batch = { runs: [], pointer: 0 };
  private tables: RopeTables = { cos: 0, sin: 0 };
  private unsettled: Tensor[] = [];
  private rotation?: Rotation;

  constructor(
    private arena: Arena,
    private readonly cache: Cache,
    private readonly executor: Executor,
  ) {}

  /**
   * From now on operations on the rows of `batch` are recorded into `arena`, where the angles of its tokens are.
   * `adapted` tells which of them an adapter changes.
   */
  enter(arena: Arena, batch: Batch, tables: RopeTables, adapted: readonly AdaptedRows[] = []): void {
    this.firstRow = 0;
    this.asAlone = batch.runs.every(({ rows }) => rows <= DECODE_ROWS);
    this.adapted = adapted;
    this.arena = arena;
    this.batch = batch;
    this.tables = tables;
    // What an earlier step left unread will not be read.
    this.unsettled.length = 0;
  }

  /** The next operations are about the rows from `firstRow` on, as few as the head takes at once. */
  enterHead(firstRow: number): void {
    this.firstRow = firstRow;
    this.asAlone = true;
  }

  linear(x: Tensor, w: Linear, residual?: Tensor): Tensor {
    const spans = spansFor(this.adapted, w.weight, this.firstRow, x.rows);
    if (spans.length === 0) return this.product(x, w, residual);
    // Read before the residual changes, from which x may still have to be made.
    const floats = x.pointer;
    if (spans.some(({ layer }) => layer.source.isDora)) return this.rescaled(x, w, spans, residual);
    const y = this.product(x, w, residual);
    for (const span of spans) addAdapter(this.arena, span, floats, y.pointer, w.out, this.asAlone);
    return y;
  }

  /** x·Wᵀ + b alone, added onto `residual` where there is one. */
  private product(x: Tensor, w: Linear, residual?: Tensor): Tensor {
    const weight = w.weight as HeldWeight;
    const input = this.activations(x, weight.type);
    const y = residual ?? this.tensor(x.rows, w.out);
    if (residual) this.settle();
    matmul(this.arena.program, {
      type: weight.type,
      weights: weight.pointer,
      x: input,
      bias: pointerOf(w.bias),
      y: y.pointer,
      tokens: x.rows,
      rows: w.out,
      cols: w.in,
      accumulate: residual !== undefined,
      asAlone: this.asAlone,
    });
    // Same memory, new values: copies quantised from the old ones must not be found again.
    return residual ? new Tensor(y.pointer, y.rows, y.columns) : y;
  }

  linears(x: Tensor, layers: readonly Linear[]): Tensor[] {
    const [first] = layers;
    const spans = layers.map(({ weight }) => spansFor(this.adapted, weight, this.firstRow, x.rows));
    const isDora = spans.some((some) => some.some(({ layer }) => layer.source.isDora));
    if (isDora || !areNeighbours(layers)) return layers.map((layer) => this.linear(x, layer));
    const out = layers.reduce((sum, layer) => sum + layer.out, 0);
    const y = this.product(x, { ...first, out });
    let from = 0;
    return layers.map((layer, i) => {
      const slice = this.slice(y, from, layer.out);
      from += layer.out;
      for (const span of spans[i]) addAdapter(this.arena, span, x.pointer, slice.pointer, out, this.asAlone);
      return slice;
    });
  }

  /**
   * The product where DoRA multiplies some rows' W·x before anything is added. Rows of other adapters, or of none, are
   * computed as they always are, so that they do not depend on who shares their step.
   */
  private rescaled(x: Tensor, w: Linear, spans: readonly AdaptedSpan[], residual?: Tensor): Tensor {
    const { program } = this.arena;
    const weight = w.weight as HeldWeight;
    const floats = x.pointer;
    const input = this.activations(x, weight.type);
    const bits = activationBits(weight.type, this.executor.simd, this.executor.isNative);
    const rowBytes = bits === 0 ? 4 * w.in : quantizedBytes(1, w.in, bits);
    const y = residual ?? this.tensor(x.rows, w.out);
    if (residual) this.settle();
    const bias = pointerOf(w.bias);
    const accumulate = residual !== undefined;
    const { asAlone } = this;
    const shape = { type: weight.type, weights: weight.pointer, rows: w.out, cols: w.in, asAlone };
    const plain = (from: number, to: number) => {
      if (from === to) return;
      const at = y.pointer + 4 * from * w.out;
      matmul(program, { ...shape, x: input + from * rowBytes, bias, y: at, tokens: to - from, accumulate });
    };
    let done = 0;
    for (const span of spans) {
      const { row, rows, layer } = span;
      plain(done, row);
      done = row + rows;
      if (layer.source.isDora) {
        const own = this.tensor(rows, w.out).pointer;
        matmul(program, { ...shape, x: input + row * rowBytes, y: own, tokens: rows });
        const at = y.pointer + 4 * row * w.out;
        scaleColumns(program, { x: own, y: at, scale: layer.gain, rows, cols: w.out, accumulate });
      } else {
        plain(row, done);
      }
      addAdapter(this.arena, span, floats, y.pointer, w.out, asAlone, layer.source.isDora ? bias : 0);
    }
    plain(done, x.rows);
    return residual ? new Tensor(y.pointer, y.rows, y.columns) : y;
  }

  rmsNorm(x: Tensor, w: Norm, heads = 1): Tensor {
    const { program } = this.arena;
    const cols = x.columns / heads;
    const source = x.pointer;
    const weight = pointerOf(w.weight);
    const { eps, offset: weightOffset } = w;
    const record = (y: number, quantized: number, bits: 8 | 16) =>
      rmsNorm(program, {
        x: source,
        weight,
        y,
        quantized,
        bits,
        rows: x.rows,
        groups: heads,
        cols,
        xStride: x.stride,
        xGroupStride: x.groups === heads ? x.period : cols,
        eps,
        weightOffset,
      });
    return this.pending(x, this.inEitherForm(x, record, { source: x, heads, weight, eps, weightOffset }));
  }

  slice(x: Tensor, from: number, columns: number, period?: number): Tensor {
    const groups = period === undefined ? 1 : x.columns / period;
    return new Tensor(x.pointer + 4 * from, x.rows, groups * columns, x.stride, groups, period);
  }

  rope(x: Tensor, heads: number, headDim: number, rope: Rope): Tensor {
    // A norm of the heads that nobody else has read becomes part of the rotation.
    const norm = x.takeHeadNorm(heads);
    const source = norm?.source ?? x;
    const y = this.arena.alloc(4 * x.rows * x.columns);
    const part = {
      x: source.pointer,
      y,
      heads,
      tokenStride: source.stride,
      headStride: source.groups === heads ? source.period : headDim,
      norm,
    };
    if (!this.rotation?.join(this.tables, headDim, rope, part)) {
      this.rotation = new Rotation(this.arena.program, this.tables, x.rows, headDim, rope, part);
    }
    const { rotation } = this;
    return this.pending(x, {
      floats: () => {
        rotation.record();
        return y;
      },
    });
  }

  attention(q: Tensor, k: Tensor, v: Tensor, cache: KVCache, shape: AttentionShape): Tensor {
    const { program } = this.arena;
    const { batch } = this;
    const { heads, kvHeads, headDim, scale } = shape;
    const { type, capacity } = this.cache;
    const { pointer: pages } = this.cache.at(cache);
    // Written out twice: spreading a shared object costs more than everything else here.
    storeKV(program, {
      k: k.pointer,
      v: v.pointer,
      pages,
      batch,
      type,
      heads: kvHeads,
      headDim,
      kStride: k.stride,
      vStride: v.stride,
    });
    const out = this.tensor(q.rows, heads * headDim);
    attention(program, {
      q: q.pointer,
      pages,
      out: out.pointer,
      work: this.arena.alloc(attentionWorkBytes(batch.runs, heads, headDim, capacity)),
      batch,
      type,
      heads,
      kvHeads,
      headDim,
      qStride: q.stride,
      scale,
      qScale: shape.queryScale ? this.queryScales(shape.queryScale) : 0,
    });
    return out;
  }

  swiglu(gate: Tensor, up: Tensor): Tensor {
    const { program } = this.arena;
    const [from, factor] = [gate.pointer, up.pointer];
    const record = (y: number, quantized: number, bits: 8 | 16) =>
      swiglu(program, {
        gate: from,
        up: factor,
        y,
        quantized,
        bits,
        tokens: gate.rows,
        n: gate.columns,
        gateStride: gate.stride,
        upStride: up.stride,
      });
    return this.pending(gate, this.inEitherForm(gate, record));
  }

  sigmoidGate(x: Tensor, gate: Tensor): Tensor {
    const { program } = this.arena;
    const { groups, period } = gate;
    const [from, factor] = [x.pointer, gate.pointer];
    const record = (y: number, quantized: number, bits: 8 | 16) =>
      sigmoidGate(program, {
        x: from,
        gate: factor,
        y,
        quantized,
        bits,
        rows: x.rows,
        cols: x.columns / groups,
        groups,
        xStride: x.stride,
        gateStride: gate.stride,
        gateGroupStride: period,
      });
    return this.pending(x, this.inEitherForm(x, record));
  }

  conv(x: Tensor, weight: Vector, state: ConvState): Tensor {
    const y = this.tensor(x.rows, x.columns);
    const { pointer, bytes } = this.cache.at(state);
    for (const { row, rows, slot } of this.batch.runs) {
      conv(this.arena.program, {
        x: x.pointer + 4 * row * x.stride,
        xStride: x.stride,
        state: pointer + slot * bytes,
        weight: pointerOf(weight),
        y: y.pointer + 4 * row * y.stride,
        tokens: rows,
        channels: state.channels,
        kernel: state.kernel,
      });
    }
    return y;
  }

  deltaRule(
    qkv: Tensor,
    a: Tensor,
    b: Tensor,
    w: { aLog: Vector; dtBias: Vector },
    state: DeltaState,
    shape: DeltaShape,
  ): Tensor {
    const { program } = this.arena;
    const { keyHeads, valueHeads, keyDim, valueDim } = shape;
    const tokens = qkv.rows;
    const g = this.tensor(tokens, valueHeads).pointer;
    const beta = this.tensor(tokens, valueHeads).pointer;
    const gates = { a: a.pointer, b: b.pointer, aLog: pointerOf(w.aLog), dtBias: pointerOf(w.dtBias) };
    deltaGates(program, { ...gates, g, beta, tokens, heads: valueHeads });
    const out = this.tensor(tokens, valueHeads * valueDim);
    const keyBytes = 4 * keyHeads * keyDim;
    const { pointer, bytes } = this.cache.at(state);
    for (const { row, rows, slot } of this.batch.runs) {
      const q = qkv.pointer + 4 * row * qkv.stride;
      deltaRule(program, {
        ...shape,
        q,
        k: q + keyBytes,
        v: q + 2 * keyBytes,
        g: g + 4 * row * valueHeads,
        beta: beta + 4 * row * valueHeads,
        tokens: rows,
        qStride: qkv.stride,
        kStride: qkv.stride,
        vStride: qkv.stride,
        state: pointer + slot * bytes,
        out: out.pointer + 4 * row * out.stride,
      });
    }
    return out;
  }

  gatedNorm(x: Tensor, gate: Tensor, w: Norm, heads: number): Tensor {
    const { program } = this.arena;
    const [from, factor] = [x.pointer, gate.pointer];
    const record = (y: number, quantized: number, bits: 8 | 16) =>
      gatedNorm(program, {
        x: from,
        gate: factor,
        weight: pointerOf(w.weight),
        y,
        quantized,
        bits,
        rows: x.rows,
        groups: heads,
        cols: x.columns / heads,
        xStride: x.stride,
        gateStride: gate.stride,
        eps: w.eps,
      });
    return this.pending(x, this.inEitherForm(x, record));
  }

  experts(x: Tensor, w: Experts, residual: Tensor): Tensor {
    const { program } = this.arena;
    const { count, topK, hidden, intermediate } = w;
    const tokens = x.rows;
    const assigned = tokens * topK;
    const ids = this.arena.alloc(4 * assigned);
    const weights = this.arena.alloc(4 * assigned);
    const logits = this.linear(x, w.router).pointer;
    route(program, { logits, tokens, experts: count, topK, normalize: w.normalize, ids, weights });

    const sorted = this.tensor(assigned, hidden);
    const offsets = this.arena.alloc(4 * (count + 1));
    const order = this.arena.alloc(4 * assigned);
    const inverse = this.arena.alloc(4 * assigned);
    const routing = { ids, tokens, topK, experts: count, offsets, order, inverse };
    gather(program, { ...routing, x: x.pointer, xStride: x.stride, xs: sorted.pointer, cols: hidden });

    const project = (from: Tensor, weight: Weight, rows: number): Tensor => {
      const held = weight as HeldWeight;
      const y = this.tensor(assigned, rows);
      matmulExperts(program, {
        type: held.type,
        weights: held.pointer,
        expertStride: held.stride,
        experts: count,
        offsets,
        x: this.activations(from, held.type),
        y: y.pointer,
        maxTokens: assigned,
        rows,
        cols: from.columns,
      });
      return y;
    };
    const inner = this.swiglu(project(sorted, w.gate, intermediate), project(sorted, w.up, intermediate));
    const y = project(inner, w.down, hidden);
    this.settle();
    combine(program, {
      y: y.pointer,
      inverse,
      weights,
      out: residual.pointer,
      tokens,
      topK,
      cols: hidden,
      accumulate: true,
    });
    return new Tensor(residual.pointer, residual.rows, residual.columns);
  }

  /** x as the kernel of a weight type reads it: itself, or quantised once for all who ask. */
  private activations(x: Tensor, type: HeldType): number {
    const bits = activationBits(type, this.executor.simd, this.executor.isNative);
    if (bits === 0) return x.pointer;
    return x.quantized(bits, (floats) => {
      const out = this.arena.alloc(quantizedBytes(x.rows, x.columns, bits));
      quantize(this.arena.program, { x: floats, out, tokens: x.rows, cols: x.columns, bits });
      return out;
    });
  }

  /** A tensor of x's shape that is made when somebody reads it, at the latest when a residual changes. */
  private pending(x: Tensor, recipe: Recipe): Tensor {
    const tensor = Tensor.pending(x.rows, x.columns, recipe);
    this.unsettled.push(tensor);
    return tensor;
  }

  /** How to make floats or quantised blocks of x's shape with an operation that can leave both; 0: not wanted. */
  private inEitherForm(
    x: Tensor,
    record: (y: number, quantized: number, bits: 8 | 16) => void,
    headNorm?: Recipe['headNorm'],
  ): Recipe {
    const { arena } = this;
    const { rows, columns } = x;
    return {
      floats() {
        const y = arena.alloc(4 * rows * columns);
        record(y, 0, 8);
        return y;
      },
      quantized(bits) {
        const out = arena.alloc(quantizedBytes(rows, columns, bits));
        record(0, out, bits);
        return out;
      },
      headNorm,
    };
  }

  /** Pending tensors may read what changes next. */
  private settle(): void {
    for (const tensor of this.unsettled) tensor.settle();
    this.unsettled.length = 0;
  }

  private queryScales(scale: (position: number) => number): number {
    const scales = this.batch.runs.flatMap(({ rows, position }) =>
      Array.from({ length: rows }, (_, i) => scale(position + i)),
    );
    return this.arena.put(Float32Array.from(scales));
  }

  private tensor(rows: number, columns: number): Tensor {
    return new Tensor(this.arena.alloc(4 * rows * columns), rows, columns);
  }
}
