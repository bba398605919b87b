/**
 * A model that can be trained: the same definition that answers (src/models), its parameters with gradients in one arena,
 * and the losses of batches with what flows back from them. It knows token ids and losses, not text, optimisers or files
 * of its own. What a step needs is known before memory is allocated, by recording one.
 */
import { inFile, KaiwenError } from '../errors.js';
import type { Checkpoint, JsonObject } from '../formats/checkpoint.js';
import { openCheckpoint } from '../formats/open.js';
import { availableMemory, physicalCores } from '../generate/machine.js';
import type { ModelDefinition } from '../models/model.js';
import { type Arena, arenaOverhead, CountingArena, MAX_ARENA_BYTES } from '../tensor/arena.js';
import { sumSquares, sumSquaresPieces } from '../tensor/ops/sums.js';
import { Team } from '../tensor/team.js';
import { type Blueprint, blueprintOf, flopsPerToken, freshBlueprint, type TrainableOptions } from './blueprint.js';
import { Graph } from './graph.js';
import { initialise, initialiseLora } from './init.js';
import { refreshMagnitudes } from './lora.js';
import { embedding } from './ops/embedding.js';
import { loss, type Teacher } from './ops/head.js';
import type { Parameter } from './parameters.js';
import { readValues, readWeight, STAGING_BYTES } from './read-weights.js';
import { keep, once, recompute } from './segment.js';
import { placeSequences, type Run } from './sequences.js';
import { Tape } from './tape.js';
import type { Value } from './value.js';

export type { TrainableOptions } from './blueprint.js';

export interface TrainBatch {
  /** Rows of all sequences, one sequence after the other. */
  readonly ids: Int32Array;
  /** What each row should predict; -1: nothing. */
  readonly targets: Int32Array;
  /** Weight of each row's loss: gradients are of Σ weight · nll. */
  readonly weights: Float32Array;
  /** Attention stays within a run; positions start at 0 in each. */
  readonly runs: readonly Run[];
}

export interface TrainingPlan {
  /** Exact bytes of the arena. */
  readonly arenaBytes: number;
  /** Of them what a step takes: activations, gradients of activations, logits. */
  readonly stepBytes: number;
  readonly parameters: number;
  readonly trained: number;
  /** Multiplications and additions of one trained token, forwards and back, attention aside. */
  readonly flopsPerToken: number;
}

export class TrainableModel implements Disposable {
  readonly arena: Arena;
  readonly definition: ModelDefinition;
  /** What is trained. */
  readonly parameters: readonly Parameter[];
  private readonly graph: Graph;
  private readonly tape: Tape;
  private readonly layers: number;
  /** Squared norms of the rows of weights whose magnitudes are trained. */
  private readonly rowSquares = new Map<Parameter, Float32Array>();

  private constructor(
    readonly config: JsonObject,
    private readonly blueprint: Blueprint,
    readonly options: TrainableOptions,
    private readonly execute: (arena: Arena) => void,
    arena: Arena,
    private readonly team?: Team,
  ) {
    this.arena = arena;
    this.definition = blueprint.definition;
    this.parameters = blueprint.parameters.filter((p) => p.trained);
    this.graph = new Graph(arena);
    this.tape = new Tape(this.graph);
    this.layers = blueprint.definition.blocks.length;
    for (const parameter of blueprint.parameters) {
      parameter.place(arena, options.optimizerBytesPerParameter ?? 0);
    }
    for (const { magnitude, b } of blueprint.adapters) {
      if (!magnitude) continue;
      magnitude.factors = arena.alloc(4 * b.rows);
      magnitude.inverseNorms = arena.alloc(4 * b.rows);
    }
  }

  /** Opens the model at `path` for training. Throws KaiwenError where it cannot be read or does not fit. */
  static open(path: string, options: TrainableOptions): TrainableModel {
    using checkpoint = openCheckpoint(path, { vocabulary: false });
    return inFile(path, () => {
      const blueprint = blueprintOf(checkpoint, options);
      const model = TrainableModel.build(checkpoint.config, blueprint, options);
      try {
        model.read(checkpoint);
        return model;
      } catch (error) {
        model[Symbol.dispose]();
        throw error;
      }
    });
  }

  /** A fresh model of the architecture that `config` (a config.json) describes. */
  static create(config: JsonObject, seed: number, options: TrainableOptions): TrainableModel {
    const model = TrainableModel.build(config, freshBlueprint(config, options), options);
    const { offset } = model.definition.norm;
    for (const parameter of model.blueprint.parameters) {
      initialise(parameter, model.get(parameter), model.layers, seed, offset);
    }
    model.zeroGrad();
    return model;
  }

  /** What training would need, without allocating it: for the checkpoint at a path or a configuration. */
  static plan(source: string | JsonObject, options: TrainableOptions): TrainingPlan {
    if (typeof source !== 'string') return planOf(source, freshBlueprint(source, options), options);
    using checkpoint = openCheckpoint(source, { vocabulary: false });
    return inFile(source, () => planOf(checkpoint.config, blueprintOf(checkpoint, options), options));
  }

  private static build(config: JsonObject, blueprint: Blueprint, options: TrainableOptions): TrainableModel {
    const { arenaBytes } = planOf(config, blueprint, options);
    const available = availableMemory();
    if (arenaBytes > Math.min(available, MAX_ARENA_BYTES - arenaOverhead(64))) {
      throw tooLarge(arenaBytes, available);
    }
    const threads = options.threads ?? physicalCores();
    const team = new Team([arenaBytes], { threads, simd: options.simd, native: options.native });
    return new TrainableModel(config, blueprint, options, (arena) => team.run(arena), team.arenas[0], team);
  }

  /** Records one largest step. */
  static measure(config: JsonObject, blueprint: Blueprint, options: TrainableOptions): { bytes: number; step: number } {
    const arena = new CountingArena();
    const model = new TrainableModel(config, blueprint, options, ({ program }) => program.clear(), arena);
    const placed = arena.peak;
    const { rows, maxRun = rows } = options;
    const runs: Run[] = [];
    for (let row = 0; row < rows; row += maxRun) runs.push({ row, rows: Math.min(maxRun, rows - row) });
    const batch = {
      ids: new Int32Array(rows),
      targets: new Int32Array(rows),
      weights: new Float32Array(rows),
      runs,
    };
    const gradient = options.train !== 'nothing';
    const { vocabSize } = blueprint.definition;
    const logits = (_: number, n: number) => new Float32Array(n * vocabSize);
    const teacher = options.distils ? { logits, temperature: 1, share: 1 } : undefined;
    model.compute(batch, { gradient, seed: 0, noisy: gradient, teacher });
    return { bytes: Math.max(arena.peak, placed + 2 * STAGING_BYTES), step: arena.peak - placed };
  }

  /** Machine code's instruction set, or null where WebAssembly computes everything. */
  get native(): string | null {
    const native = this.team?.native;
    return !native || 'refused' in native ? null : native.isa;
  }

  /** Runs what was recorded into the arena's program. */
  run(): void {
    this.execute(this.arena);
  }

  /** A parameter's values: a view of the arena. */
  get(parameter: Parameter): Float32Array {
    return this.arena.floats(parameter.pointer, parameter.n);
  }

  /** A trained parameter's gradient: a view of the arena. */
  gradient(parameter: Parameter): Float32Array {
    return this.arena.floats(parameter.gradient, parameter.n);
  }

  /** All parameters by name, adapters' included; only those of type f32 can be read with `get`. */
  tensors(): ReadonlyMap<string, Parameter> {
    return new Map(this.blueprint.parameters.map((parameter) => [parameter.name, parameter]));
  }

  zeroGrad(): void {
    for (const parameter of this.parameters) this.gradient(parameter).fill(0);
  }

  /** Σ g² over all trained parameters. */
  gradNormSquared(): number {
    const mark = this.arena.mark;
    const parts = this.parameters.map((parameter) => {
      const count = sumSquaresPieces(parameter.n);
      const out = this.arena.alloc(8 * count);
      sumSquares(this.arena.program, { x: parameter.gradient, n: parameter.n, out });
      if (this.arena.program.count > this.arena.program.capacity / 2) this.run();
      return new Float64Array(this.arena.memory.buffer, out, count);
    });
    this.run();
    const total = parts.reduce((sum, part) => part.reduce((a, b) => a + b, sum), 0);
    this.arena.release(mark);
    return total;
  }

  /** Negative log-likelihood of each row's target (0 where there is none). */
  forward(batch: TrainBatch): Float32Array {
    return this.compute(batch, { gradient: false, seed: 0, noisy: false });
  }

  /** The same, and adds the gradients of Σ weight · nll to those of the parameters. `seed`: of dropout and noise. */
  accumulate(batch: TrainBatch, options: { seed?: number; teacher?: Teacher; noisy?: boolean } = {}): Float32Array {
    const { seed = 0, teacher, noisy = true } = options;
    return this.compute(batch, { gradient: true, seed, noisy, teacher });
  }

  /** Logits [tokens, vocab] of one sequence. */
  logits(ids: Int32Array): Float32Array {
    const out = new Float32Array(ids.length * this.definition.vocabSize);
    this.eachLogits(ids, [{ row: 0, rows: ids.length }], (from, values) =>
      out.set(values, from * this.definition.vocabSize),
    );
    return out;
  }

  /** Calls `use` with the logits of a few rows at a time, in order: what a teacher gives. */
  eachLogits(ids: Int32Array, runs: readonly Run[], use: (from: number, logits: Float32Array) => void): void {
    const { arena, definition } = this;
    this.check(ids, runs);
    const mark = arena.mark;
    try {
      const hidden = this.hidden(ids, runs);
      const vocab = definition.vocabSize;
      const step = Math.min(ids.length, 256);
      for (let from = 0; from < ids.length; from += step) {
        const chunk = arena.mark;
        const rows = Math.min(step, ids.length - from);
        const part = hidden.rowsFrom(from, rows);
        const { pointer } = this.tape.linear(part, definition.head);
        this.run();
        use(from, arena.floats(pointer, rows * vocab));
        arena.release(chunk);
      }
    } finally {
      arena.program.clear();
      arena.release(mark);
    }
  }

  [Symbol.dispose](): void {
    this.team?.[Symbol.dispose]();
  }

  /** Hidden states after the final norm, forwards only. */
  private hidden(ids: Int32Array, runs: readonly Run[]): Value {
    const { graph, tape, definition, arena } = this;
    this.refresh();
    graph.step = { sequences: placeSequences(arena, runs, ids.length), seed: 0, noisy: false };
    graph.step.sequences.angles(definition.rope);
    let x = embedding(graph, definition.embedding, arena.put(ids), ids.length, 0);
    for (const block of definition.blocks) {
      x = once(graph, (input) => block.forward(tape, input), x);
      this.flush();
    }
    return tape.rmsNorm(x, definition.norm);
  }

  private compute(
    batch: TrainBatch,
    { gradient, seed, noisy, teacher }: { gradient: boolean; seed: number; noisy: boolean; teacher?: Teacher },
  ): Float32Array {
    const { graph, tape, arena, definition, options } = this;
    const { ids, runs } = batch;
    this.check(ids, runs, batch);
    const rows = ids.length;
    const mark = arena.mark;
    try {
      const targets = {
        targets: arena.put(batch.targets),
        weights: arena.put(batch.weights),
        nll: arena.alloc(4 * rows),
      };
      if (!gradient) {
        loss(graph, this.hidden(ids, runs), definition.head, targets, false, undefined);
        this.run();
        return arena.floats(targets.nll, rows).slice();
      }
      this.refresh();
      graph.step = { sequences: placeSequences(arena, runs, rows), seed, noisy };
      // Tables are made before the first segment, whose memory is given back before the last has used them.
      graph.step.sequences.angles(definition.rope);
      const idsPointer = arena.put(ids);
      const residual = arena.alloc(4 * rows * definition.hiddenSize);
      let x!: Value;
      const first = graph.record(() => {
        x = embedding(graph, definition.embedding, idsPointer, rows, options.neftune ?? 0);
      });
      const stretch = options.checkpointing ? recompute : keep;
      const input = x;
      const segments = definition.blocks.map((block) => {
        const segment = stretch(graph, (value) => block.forward(tape, value), x);
        x = segment.output;
        this.flush();
        return segment;
      });
      const last = x;
      last.gradient = residual;
      const end = arena.mark;
      let normal!: Value;
      const norm = graph.record(() => {
        normal = tape.rmsNorm(last, definition.norm);
      });
      loss(graph, normal, definition.head, targets, true, teacher && { ...teacher, run: () => this.run() });
      for (const node of norm.toReversed()) node();
      arena.release(end);
      for (const segment of segments.toReversed()) {
        segment.backward(residual);
        this.flush();
      }
      input.gradient = residual;
      input.hasGradient = true;
      for (const node of first) node();
      this.run();
      return arena.floats(targets.nll, rows).slice();
    } finally {
      arena.program.clear();
      arena.release(mark);
    }
  }

  /** What must be computed anew when parameters have changed. */
  private refresh(): void {
    const { adapters, parameters } = this.blueprint;
    if (!adapters.some((adapter) => adapter.magnitude)) return;
    refreshMagnitudes(this.arena, parameters, this.rowSquares, () => this.run());
  }

  /** A program has its limit; a model of many layers runs in parts. */
  private flush(): void {
    if (this.arena.program.count > this.arena.program.capacity / 2) this.run();
  }

  private check(ids: Int32Array, runs: readonly Run[], batch?: TrainBatch): void {
    const { rows, maxRun = rows } = this.options;
    const wrong = (what: string) => new KaiwenError('internal', `A batch ${what}.`);
    if (ids.length === 0 || ids.length > rows) throw wrong(`has ${ids.length} rows; the model was made for ${rows}`);
    if (batch && (batch.targets.length !== ids.length || batch.weights.length !== ids.length)) {
      throw wrong('has other numbers of targets or weights than of ids');
    }
    let next = 0;
    for (const run of runs) {
      if (run.row !== next || run.rows < 1 || run.rows > maxRun) throw wrong('has runs that do not follow one another');
      next += run.rows;
    }
    if (next !== ids.length) throw wrong(`has runs over ${next} of ${ids.length} rows`);
    const { vocabSize } = this.definition;
    if (ids.some((id) => id < 0 || id >= vocabSize) || batch?.targets.some((id) => id < -1 || id >= vocabSize)) {
      throw new KaiwenError('bad_file', `A batch has token ids outside the vocabulary of ${vocabSize}.`, {
        remedy: 'The data were prepared with another tokenizer: prepare them again with this model.',
      });
    }
  }

  private read(checkpoint: Checkpoint): void {
    const run = () => this.run();
    for (const parameter of this.blueprint.parameters) {
      const tensor = checkpoint.tensors.get(parameter.name);
      if (tensor) readWeight(checkpoint, tensor, parameter, this.arena, run);
    }
    const { train } = this.options;
    if (typeof train === 'object') {
      for (const adapter of this.blueprint.adapters) initialiseLora(adapter, (p) => this.get(p), train.lora.seed);
      this.initialiseMagnitudes(checkpoint);
    }
    this.zeroGrad();
  }

  private initialiseMagnitudes(checkpoint: Checkpoint): void {
    for (const parameter of this.blueprint.parameters) {
      const magnitude = parameter.lora?.magnitude;
      if (!magnitude) continue;
      const { rows, columns } = parameter;
      const values = readValues(checkpoint, checkpoint.tensors.get(parameter.name)!);
      const squares = Float32Array.from({ length: rows }, (_, row) =>
        values.subarray(row * columns, (row + 1) * columns).reduce((sum, v) => sum + v * v, 0),
      );
      this.rowSquares.set(parameter, squares);
      this.get(magnitude.parameter).set(squares.map(Math.sqrt));
    }
  }
}

function planOf(config: JsonObject, blueprint: Blueprint, options: TrainableOptions): TrainingPlan {
  const { bytes, step } = TrainableModel.measure(config, blueprint, options);
  const count = (some: readonly Parameter[]) => some.reduce((sum, p) => sum + p.n, 0);
  return {
    arenaBytes: bytes,
    stepBytes: step,
    parameters: count(blueprint.parameters),
    trained: count(blueprint.parameters.filter((p) => p.trained)),
    flopsPerToken: flopsPerToken(config, blueprint, options.checkpointing ?? false),
  };
}

function tooLarge(bytes: number, available: number): KaiwenError {
  const mb = (n: number) => `${Math.ceil(n / 1e6)} MB`;
  const limit =
    available < MAX_ARENA_BYTES
      ? `${mb(available)} are available`
      : `one training run has room for ${mb(MAX_ARENA_BYTES)}`;
  return new KaiwenError('out_of_memory', `Training needs ${mb(bytes)}; ${limit}.`, {
    remedy:
      'Use fewer tokens a step with more accumulation, gradient checkpointing, LoRA, or a quantised base (QLoRA).',
  });
}
