/**
 * The parameters of low-rank adapters: LoRA (arXiv:2106.09685), with scale α/√r rsLoRA (arXiv:2312.03732), with a trained
 * magnitude a row DoRA (arXiv:2402.09353). Names are PEFT's.
 */
import { KaiwenError } from '../errors.js';
import type { Arena } from '../tensor/arena.js';
import { axpby } from '../tensor/ops/elementwise-backward.js';
import { frozenForward, gemm } from '../tensor/ops/gemm.js';
import { matmul } from '../tensor/ops/matmul.js';
import { dotColumns, sumColumnsWork } from '../tensor/ops/sums.js';
import { Parameter } from './parameters.js';

export interface LoraSettings {
  rank: number;
  alpha: number;
  /** Share of the inputs that is dropped in training, 0 to below 1. */
  dropout: number;
  rslora: boolean;
  dora: boolean;
  /** Last parts of the layers' names, such as q_proj; or every linear layer of the blocks. */
  targets: readonly string[] | 'all-linear';
  seed: number;
}

export interface Lora {
  readonly index: number;
  readonly rank: number;
  readonly scale: number;
  readonly rate: number;
  /** [rank, in], random at first. */
  readonly a: Parameter;
  /** [out, rank], zero at first. */
  readonly b: Parameter;
  readonly magnitude?: Magnitude;
}

export interface Magnitude {
  /** [out], the norms of W's rows at first. */
  readonly parameter: Parameter;
  /** f32 [out] each, set by `refreshMagnitudes`: magnitude / norm of W + s·B·A, and 1 / norm. */
  factors: number;
  inverseNorms: number;
}

/** Gives the chosen linear layers among `weights` an adapter. Throws KaiwenError 'usage' where none is chosen. */
export function attachLora(weights: readonly Parameter[], settings: LoraSettings): Lora[] {
  const { rank, alpha, rslora, dora, dropout: rate, targets } = settings;
  const scale = alpha / (rslora ? Math.sqrt(rank) : rank);
  const layers = weights.filter((w) => w.kind === 'matrix' && w.count === 1 && !isRouter(w) && isLayer(w));
  const layerNames = new Set(layers.map(moduleOf));
  if (targets !== 'all-linear') {
    const unknown = targets.find((target) => !layerNames.has(target));
    if (unknown !== undefined) {
      throw new KaiwenError('usage', `No layer of this model is called "${unknown}".`, {
        remedy: `Choose among ${[...layerNames].join(', ')}, or all-linear.`,
      });
    }
  }
  const chosen = layers.filter((w) => targets === 'all-linear' || targets.includes(moduleOf(w)));
  return chosen.map((weight, index) => {
    const stem = `base_model.model.${weight.name.replace(/\.weight$/, '')}`;
    const part = (name: string, shape: readonly number[]) =>
      new Parameter(`${stem}.${name}`, shape, shape.length === 1 ? 'vector' : 'matrix', 'f32', true);
    const lora: Lora = {
      ...{ index, rank, scale, rate },
      a: part('lora_A.weight', [rank, weight.columns]),
      b: part('lora_B.weight', [weight.rows, rank]),
      magnitude: dora
        ? { parameter: part('lora_magnitude_vector', [weight.rows]), factors: 0, inverseNorms: 0 }
        : undefined,
    };
    weight.lora = lora;
    return lora;
  });
}

const isLayer = ({ name }: Parameter) => /\.(?:layers|h)\.\d+\./.test(name);
/** A mixture's router is called `gate`; PEFT leaves it alone too. */
const isRouter = ({ name }: Parameter) => name.endsWith('.mlp.gate.weight');
const moduleOf = ({ name }: Parameter) => name.split('.').at(-2)!;

/** The trained parameters of an adapter. */
export function parametersOf({ a, b, magnitude }: Lora): Parameter[] {
  return magnitude ? [a, b, magnitude.parameter] : [a, b];
}

/**
 * Computes the norms of the rows of W + s·B·A and what follows from them, without making that matrix:
 * ‖w + s·b·A‖² = ‖w‖² + 2s·b·(A·w) + s²·b·(A·Aᵀ)·bᵀ.
 */
export function refreshMagnitudes(
  arena: Arena,
  adapted: readonly Parameter[],
  squares: ReadonlyMap<Parameter, Float32Array>,
  run: () => void,
): void {
  for (const weight of adapted) {
    const { lora } = weight;
    if (!lora?.magnitude) continue;
    const mark = arena.mark;
    const { rows: out, columns: into } = weight;
    const { rank: r, scale: s, a, b, magnitude } = lora;
    const { program } = arena;
    const [products, gram, right, bT, sums] = [r * out, r * r, r * out, r * out, out].map((n) => arena.alloc(4 * n));
    const aRows = { tokens: r, rows: out, cols: into };
    if (weight.type === 'f32') {
      matmul(program, { type: 'f32', weights: weight.pointer, x: a.pointer, y: products, ...aRows });
    } else {
      const strides = { xStride: into, yStride: out };
      frozenForward(program, {
        type: weight.type,
        weights: weight.pointer,
        x: a.pointer,
        y: products,
        ...strides,
        ...aRows,
      });
    }
    const aT = { b: a.pointer, bStride: into, transposeB: true };
    gemm(program, { m: r, n: r, k: into, a: a.pointer, aStride: into, ...aT, c: gram, cStride: r });
    const byB = { m: r, n: out, k: r, aStride: r, b: b.pointer, bStride: r, transposeB: true, cStride: out };
    gemm(program, { ...byB, a: gram, c: right });
    const identity = Float32Array.from({ length: r * r }, (_, i) => Number(i % (r + 1) === 0));
    gemm(program, { ...byB, a: arena.put(identity), c: bT });
    axpby(program, { x: products, y: right, n: r * out, a: 2 * s, b: s * s });
    const work = arena.alloc(sumColumnsWork(r, out));
    dotColumns(program, { a: bT, b: right, y: sums, rows: r, cols: out, accumulate: false, work });
    run();
    const own = squares.get(weight);
    const [m, f, inv] = [magnitude.parameter.pointer, magnitude.factors, magnitude.inverseNorms].map((p) =>
      arena.floats(p, out),
    );
    arena.floats(sums, out).forEach((sum, i) => {
      inv[i] = 1 / Math.sqrt(Math.max((own?.[i] ?? 0) + sum, 1e-30));
      f[i] = m[i] * inv[i];
    });
    arena.release(mark);
  }
}
