/**
 * The end of a model: final norm, output head and loss. The logits of a few rows exist at a time, never [tokens, vocab]:
 * each chunk's loss, gradient and share of the head's gradient are computed while its logits are there.
 */
import type { Linear } from '../../models/weights.js';
import { copy } from '../../tensor/ops/elementwise.js';
import { axpby } from '../../tensor/ops/elementwise-backward.js';
import { crossEntropy, klDivergence } from '../../tensor/ops/loss.js';
import type { Graph } from '../graph.js';
import type { Value } from '../value.js';
import { linear } from './linear.js';

/** What the rows should predict: addresses of int32 and f32 [rows]; `nll` is written. */
export interface Targets {
  targets: number;
  weights: number;
  nll: number;
}

/** Another model's opinion, to be learned at a temperature (arXiv:1503.02531). */
export interface Teacher {
  /** Logits [rows, vocab] of rows from `from` on. */
  logits(from: number, rows: number): Float32Array;
  temperature: number;
  /** The teacher's share of the loss, 0 to 1; the rest is cross-entropy with the targets. */
  share: number;
}

/** Values of logits that exist at once, unless so few rows make more. */
const CHUNK_VALUES = 1 << 21;
const CHUNK_ROWS = 256;

export function chunkRows(rows: number, vocab: number): number {
  return Math.min(rows, Math.max(CHUNK_ROWS, Math.floor(CHUNK_VALUES / vocab)));
}

/** Losses of the rows of `hidden` (after the norm), and with `gradient` the way back, recorded at once. */
export function loss(
  graph: Graph,
  hidden: Value,
  head: Linear,
  { targets, weights, nll }: Targets,
  gradient: boolean,
  teacher: (Teacher & { run(): void }) | undefined,
): void {
  const { program, arena } = graph;
  const vocab = head.out;
  const step = chunkRows(hidden.rows, vocab);
  if (gradient && hidden.needsGradient) hidden.place((bytes) => graph.alloc(bytes));
  for (let from = 0; from < hidden.rows; from += step) {
    const mark = arena.mark;
    const rows = Math.min(step, hidden.rows - from);
    const part = hidden.rowsFrom(from, rows);
    let logits = part;
    const way = graph.record(() => {
      logits = linear(graph, part, head);
    });
    const entropy = { rows, vocab, targets: targets + 4 * from, nll: nll + 4 * from };
    const own = arena.alloc(4 * rows);
    const scaled = (factor: number): number => {
      axpby(program, { x: weights + 4 * from, y: own, n: rows, a: factor, b: 0 });
      return own;
    };
    if (teacher && gradient) {
      const copied = arena.alloc(4 * rows * vocab);
      copy(program, { src: logits.pointer, dst: copied, bytes: 4 * rows * vocab });
      const share = { rows, vocab, loss: arena.alloc(4 * rows), temperature: teacher.temperature, gradient: true };
      const theirs = arena.put(teacher.logits(from, rows));
      klDivergence(program, { ...share, logits: copied, teacher: theirs, weights: scaled(teacher.share) });
      crossEntropy(program, { ...entropy, logits: logits.pointer, weights: scaled(1 - teacher.share), gradient });
      axpby(program, { x: copied, y: logits.pointer, n: rows * vocab, a: 1, b: 1 });
    } else {
      crossEntropy(program, { ...entropy, logits: logits.pointer, weights: weights + 4 * from, gradient });
    }
    if (gradient) {
      logits.gradient = logits.pointer;
      logits.hasGradient = true;
      for (const node of way.toReversed()) node();
    }
    // The next chunk's teacher is put where this one's was.
    teacher?.run();
    arena.release(mark);
  }
  if (gradient) hidden.hasGradient = hidden.needsGradient;
}
