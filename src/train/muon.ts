/**
 * Muon: the momentum of a matrix is replaced by the nearest matrix with orthogonal rows or columns, so that every
 * direction is learned at the same pace (K. Jordan, "Muon: An optimizer for hidden layers", 2024). Updates are scaled
 * to the size of AdamW's, which takes care of embeddings, head and vectors with the same learning rate and decay
 * ("Muon is scalable for LLM training", arXiv:2502.16982).
 */
import { axpby } from '../tensor/ops/elementwise-backward.js';
import { gemm } from '../tensor/ops/gemm.js';
import { sumSquares, sumSquaresPieces } from '../tensor/ops/sums.js';
import { AdamW, type Optimizer, type OptimizerSettings, type StepSettings } from './optimizer.js';
import type { Parameter, Trainable } from './trainable.js';

const MOMENTUM = 0.95;
/** Coefficients of the quintic that drives singular values towards 1, and how often it is applied. */
const [A, B, C] = [3.4445, -4.775, 2.0315];
const ITERATIONS = 5;
/** Root mean square of AdamW's updates, as measured in the paper. */
const UPDATE_RMS = 0.2;
const PROGRAM_ROOM = 64;

export class Muon implements Optimizer {
  readonly #matrices: readonly Parameter[];
  readonly #rest: AdamW;
  #gram = 0;
  #square = 0;
  #sums = 0;

  constructor(
    private readonly model: Trainable,
    private readonly settings: OptimizerSettings,
  ) {
    this.#matrices = model.parameters.filter(isMatrix);
    const others = model.parameters.filter((parameter) => !isMatrix(parameter));
    this.#rest = new AdamW(model, settings, others);
  }

  step(settings: StepSettings): void {
    const { arena } = this.model;
    // Between steps the activations' memory is free.
    const mark = arena.mark;
    const side2 = Math.max(0, ...this.#matrices.map(({ shape, n }) => Math.min(...sides(shape, n)) ** 2));
    this.#gram = arena.alloc(4 * side2);
    this.#square = arena.alloc(4 * side2);
    this.#sums = arena.alloc(8 * Math.max(0, ...this.#matrices.map(({ n }) => sumSquaresPieces(n))));
    for (const matrix of this.#matrices) this.#update(matrix, settings);
    this.#rest.step(settings);
    arena.release(mark);
  }

  #update(parameter: Parameter, { learningRate, gradScale }: StepSettings): void {
    const { n, shape, pointer, gradient, state: momentum } = parameter;
    const { program } = this.model.arena;
    const update = momentum + 4 * n;
    // Momentum, and Nesterov's look ahead in the gradient's place.
    axpby(program, { x: gradient, y: momentum, n, a: gradScale, b: MOMENTUM });
    axpby(program, { x: momentum, y: gradient, n, a: MOMENTUM, b: gradScale });
    sumSquares(program, { x: gradient, n, out: this.#sums });
    this.model.run();
    const norm = Math.sqrt(this.#sum(sumSquaresPieces(n)));
    axpby(program, { x: gradient, y: update, n, a: 1 / (norm + 1e-7), b: 0 });
    const [rows, cols] = sides(shape, n);
    let [from, to] = [update, gradient];
    for (let i = 0; i < ITERATIONS; i++) {
      this.#iterate(from, to, rows, cols);
      [from, to] = [to, from];
    }
    const decay = 1 - learningRate * this.settings.weightDecay;
    const scale = UPDATE_RMS * Math.sqrt(Math.max(rows, cols));
    axpby(program, { x: from, y: pointer, n, a: -learningRate * scale, b: decay });
    if (program.count > program.capacity - PROGRAM_ROOM) this.model.run();
  }

  /** to = A·X + (B·G + C·G²)·X with G = X·Xᵀ, or from the right where X is tall: the smaller of the two products. */
  #iterate(x: number, to: number, rows: number, cols: number): void {
    const { program } = this.model.arena;
    const wide = rows <= cols;
    const r = wide ? rows : cols;
    const [gram, square] = [this.#gram, this.#square];
    const operands = { a: x, aStride: cols, b: x, bStride: cols, c: gram, cStride: r };
    if (wide) gemm(program, { ...operands, m: r, n: r, k: cols, transposeB: true });
    else gemm(program, { ...operands, m: r, n: r, k: rows, transposeA: true });
    gemm(program, { m: r, n: r, k: r, a: gram, aStride: r, b: gram, bStride: r, c: square, cStride: r });
    axpby(program, { x: gram, y: square, n: r * r, a: B, b: C });
    axpby(program, { x, y: to, n: rows * cols, a: A, b: 0 });
    const out = { m: rows, n: cols, k: r, c: to, cStride: cols, accumulate: true };
    if (wide) gemm(program, { ...out, a: square, aStride: r, b: x, bStride: cols });
    else gemm(program, { ...out, a: x, aStride: cols, b: square, bStride: r });
  }

  #sum(pieces: number): number {
    return new Float64Array(this.model.arena.memory.buffer, this.#sums, pieces).reduce((sum, part) => sum + part, 0);
  }
}

function isMatrix({ kind, shape }: Pick<Parameter, 'kind' | 'shape'>): boolean {
  return kind === 'matrix' && shape.length === 2;
}

function sides(shape: readonly number[], n: number): [number, number] {
  return [shape[0], n / shape[0]];
}
