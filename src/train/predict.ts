/** What a run will take, before it starts: memory from the plan of its arena, time from a few batches without steps. */
import { KaiwenError } from '../errors.js';
import { availableMemory } from '../generate/machine.js';
import type { Batches } from './batches.js';
import type { Optimizer } from './optimizer.js';
import type { Trainable, TrainBatch } from './trainable.js';

export interface Prediction {
  parameters: number;
  trained: number;
  steps: number;
  /** Most rows of a step. */
  tokensPerStep: number;
  /** Most memory that the process will have in use. */
  peakBytes: number;
  /** Of it the arena: weights, gradients, optimiser, activations. */
  arenaBytes: number;
  secondsPerStep: number;
  seconds: number;
}

/** Beside the arena: what the process has now, and what each thread's kernels and the files in flight will add. */
export function predictMemory(arenaBytes: number, threads: number): number {
  return arenaBytes + process.memoryUsage.rss() + THREAD_BYTES * threads + WORK_BYTES;
}

/** A thread's own instance of the kernels, its stacks and heap, as measured. */
const THREAD_BYTES = 8 << 20;
/** Plan of an epoch, metrics, a piece of a checkpoint, and garbage before it is collected, as measured. */
const WORK_BYTES = 32 << 20;

/** Refuses a run that would not fit. Throws KaiwenError 'out_of_memory' with advice. */
export function checkMemory(peakBytes: number, advice: string): void {
  const available = availableMemory() + process.memoryUsage.rss();
  if (peakBytes <= available) return;
  const mb = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
  throw new KaiwenError('out_of_memory', `This run needs ${mb(peakBytes)}; ${mb(available)} can be had.`, {
    remedy: advice,
  });
}

const MEASURE_MS = 1500;
const MEASURE_BATCHES = 8;

/**
 * Seconds of a batch forward and back, with what else is computed for it. Leaves weights and the place in the data as
 * they were, and gradients zero.
 */
export function measureBatch(model: Trainable, batches: Batches, also: (batch: TrainBatch) => void): number {
  const { position } = batches;
  const times: number[] = [];
  const started = performance.now();
  while (times.length < 2 || (times.length < MEASURE_BATCHES && performance.now() - started < MEASURE_MS)) {
    const batch = batches.next();
    const before = performance.now();
    model.accumulate(batch);
    also(batch);
    times.push((performance.now() - before) / 1000);
  }
  model.zeroGrad();
  batches.position = position;
  // The first one compiles and touches memory.
  const rest = times.slice(1).sort((a, b) => a - b);
  return rest[rest.length >> 1];
}

/** Seconds of a step of a fresh optimiser. Nothing is learned from gradients of zero at a rate of zero. */
export function measureOptimizer(model: Trainable, optimizer: Optimizer): number {
  model.zeroGrad();
  const times = [0, 0].map(() => {
    const before = performance.now();
    optimizer.step({ step: 1, learningRate: 0, gradScale: 0 });
    return (performance.now() - before) / 1000;
  });
  return times[1];
}
