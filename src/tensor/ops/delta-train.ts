/**
 * The gated delta rule in training (arXiv:2412.06464): sequences packed one after the other, each from an empty state, and
 * the way back. The forward pass keeps the state every DELTA_BLOCK tokens; the backward pass computes those between again.
 */
import { KaiwenError } from '../../errors.js';
import { Op, SCRATCH_BYTES } from '../opcodes.js';
import type { Program } from '../program.js';
import { deltaStateBytes } from './delta.js';
import { DELTA_BLOCK, DELTA_CHUNK } from './delta-constants.js';
import { rowsPerPiece } from './pieces.js';
import { dotColumns, sumColumns } from './sums.js';

export interface DeltaTrainShape {
  keyHeads: number;
  valueHeads: number;
  keyDim: number;
  valueDim: number;
  /** Value head j uses key head j mod keyHeads instead of floor(j / (valueHeads / keyHeads)). */
  tiled?: boolean;
}

export interface DeltaTrain extends DeltaTrainShape {
  /** [rows, keyHeads, keyDim], heads side by side, not yet normalised. */
  q: number;
  k: number;
  /** [rows, valueHeads, valueDim], heads side by side. */
  v: number;
  /** From row to row of q, k and v. */
  stride: number;
  /** [rows, valueHeads], contiguous, as deltaGates makes them. */
  g: number;
  beta: number;
  /** [rows, valueHeads, valueDim], contiguous; must not overlap the inputs. */
  out: number;
  /** deltaKeptBytes() for the way back; 0: nothing is kept. */
  kept: number;
  /** int32 [runCount, 2] = first row, rows, read when the operation runs; they follow one another from row 0. */
  runs: number;
  runCount: number;
}

/** Of queries and keys before they are normalised. */
const EPS = 1e-6;

/** Bytes of the states that are kept: a run's first is empty, so that any runs over as many rows have room. */
export function deltaKeptBytes(rows: number, { valueHeads, keyDim, valueDim }: DeltaTrainShape): number {
  return Math.floor((rows - 1) / DELTA_BLOCK) * deltaStateBytes(valueHeads, keyDim, valueDim);
}

/** Throws KaiwenError 'unsupported' where a head's states do not fit the kernels' scratch (keys and values of 128 do). */
export function deltaTrain(p: Program, o: DeltaTrain): void {
  checkScratch(o);
  const { keyHeads, valueHeads, keyDim, valueDim, tiled = false, stride } = o;
  const panels = Math.ceil(valueDim / 8);
  // As in deltaRule: parts of a head repeat the products of keys and queries.
  const per = valueHeads < 32 ? Math.min(panels, 8) : panels;
  const ints = [o.q, o.k, o.v, o.g, o.beta, 0, o.out, 0, keyHeads, valueHeads, keyDim, valueDim];
  ints.push(stride, stride, stride, valueHeads * valueDim, tiled ? 1 : 0, per, o.runs, o.kept);
  p.emit(Op.deltaTrain, o.runCount * valueHeads * Math.ceil(panels / per), ints, [1 / Math.sqrt(keyDim), EPS]);
}

export interface DeltaBackward extends Omit<DeltaTrain, 'out'> {
  /** [rows, valueHeads, valueDim], contiguous. */
  dOut: number;
  /** Shaped as q, k and v, and overwritten; must not overlap them. */
  dq: number;
  dk: number;
  dv: number;
  dStride: number;
  /** [rows, valueHeads], contiguous: gradients of g and of log beta. */
  dg: number;
  dLogBeta: number;
}

export function deltaBackward(p: Program, o: DeltaBackward): void {
  checkScratch(o);
  const { keyHeads, valueHeads, keyDim, valueDim, tiled = false } = o;
  const ints = [o.q, o.k, o.v, o.g, o.beta, o.kept, o.dOut, o.dq, o.dk, o.dv, o.dg, o.dLogBeta, o.runs];
  ints.push(keyHeads, valueHeads, keyDim, valueDim, o.stride, valueHeads * valueDim, o.dStride, tiled ? 1 : 0);
  p.emit(Op.deltaBackward, o.runCount * keyHeads, ints, [1 / Math.sqrt(keyDim), EPS]);
}

export interface DeltaGatesBackward {
  /** [rows, heads], what deltaGates read. */
  a: number;
  aStride: number;
  aLog: number;
  dtBias: number;
  /** [rows, heads], contiguous: what deltaGates wrote, and the gradients that deltaBackward left. */
  g: number;
  beta: number;
  dg: number;
  dLogBeta: number;
  /** [rows, heads], overwritten. */
  da: number;
  daStride: number;
  db: number;
  dbStride: number;
  /** [heads], always added to; 0 if frozen. */
  dALog: number;
  dDtBias: number;
  rows: number;
  heads: number;
  /** sumColumnsWork(rows, heads) bytes. */
  work: number;
}

export function deltaGatesBackward(p: Program, o: DeltaGatesBackward): void {
  const { da, daStride, rows, heads, work } = o;
  const per = rowsPerPiece(rows, heads, 512);
  const ints = [o.a, o.aLog, o.dtBias, o.beta, o.dg, o.dLogBeta, da, o.db, rows, heads, o.aStride, daStride];
  p.emit(Op.deltaGatesBackward, Math.ceil(rows / per), [...ints, o.dbStride, per]);
  // g is a multiple of e^aLog, so that its derivative is g.
  if (o.dALog) dotColumns(p, { a: o.dg, b: o.g, y: o.dALog, rows, cols: heads, accumulate: true, work });
  if (o.dDtBias) sumColumns(p, { x: da, xStride: daStride, y: o.dDtBias, rows, cols: heads, accumulate: true, work });
}

/** Bytes that a piece of the backward pass, which needs the most, has in scratch. */
function scratchBytes({ keyDim, valueDim }: DeltaTrainShape): number {
  const [rows, cols] = [keyDim, valueDim].map((n) => Math.ceil(n / 8) * 8);
  const chunks = DELTA_BLOCK / DELTA_CHUNK;
  const floats =
    (chunks + 1) * rows * cols + (chunks + 3) * DELTA_CHUNK * cols + 8 * DELTA_CHUNK * rows + 16 * cols + 4096;
  return 4 * floats;
}

function checkScratch(shape: DeltaTrainShape): void {
  if (scratchBytes(shape) <= SCRATCH_BYTES) return;
  const { keyDim, valueDim } = shape;
  throw new KaiwenError('unsupported', `Delta-rule heads of ${keyDim} × ${valueDim} are too large to train.`, {
    remedy: 'Heads of up to 192 × 192 fit.',
  });
}
