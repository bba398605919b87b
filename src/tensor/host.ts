/** What tensor/ needs of Node and a browser would do differently: reading the kernels, a V8 flag, starting workers. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import {
  getEnvironmentData,
  type ResourceLimits,
  setEnvironmentData,
  type TransferListItem,
  Worker,
} from 'node:worker_threads';

/** Workers and kernels are loaded from dist/, also when this file runs from src/ in a test. */
const dist = new URL(import.meta.url.replace(/\/src\/tensor\/[^/]*$/, '/dist/tensor/'));

export function readKernels(simd: 'plain' | 'relaxed'): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`../kernels/${simd}.wasm`, dist)));
}

export function enableRelaxedSimd(): void {
  setFlagsFromString('--experimental-wasm-relaxed-simd');
}

/** Words of the process's memory: how many threads are loading an addon. Behind it lies what native/native.ts keeps. */
const LOADING = 0;
export const NATIVE_SLOTS = 64;

/**
 * Runs `load`, which loads an addon, such that the process does not end in its midst: an addon whose thread is stopped
 * while it initialises aborts the whole process.
 */
export function loadingAddon<T>(load: () => T): T {
  const words = new Int32Array(processMemory());
  Atomics.add(words, LOADING, 1);
  try {
    return load();
  } finally {
    Atomics.sub(words, LOADING, 1);
    Atomics.notify(words, LOADING);
  }
}

function awaitAddons(): void {
  const words = new Int32Array(processMemory());
  const until = performance.now() + 2000;
  while (performance.now() < until) {
    const loading = Atomics.load(words, LOADING);
    if (loading === 0) return;
    Atomics.wait(words, LOADING, loading, 20);
  }
}

const PROCESS_MEMORY = 'kaiwen.process';
const PROCESS_BYTES = 2048;

/** Memory, zero at first, that all threads of this process share: the first to ask makes it, workers inherit it. */
export function processMemory(): SharedArrayBuffer {
  const known = getEnvironmentData(PROCESS_MEMORY) as SharedArrayBuffer | undefined;
  if (known) return known;
  const memory = new SharedArrayBuffer(PROCESS_BYTES);
  process.on('exit', awaitAddons);
  setEnvironmentData(PROCESS_MEMORY, memory as unknown as Parameters<typeof setEnvironmentData>[1]);
  return memory;
}

/** Starts `module` (a path below dist/, such as `tensor/member.js`) as a worker thread. */
export function startWorker(
  module: string,
  workerData: unknown,
  options: { resourceLimits?: ResourceLimits; transferList?: TransferListItem[] } = {},
): Worker {
  // Inherited by the new thread, and so shared with it.
  processMemory();
  return new Worker(new URL(`../${module}`, dist), { workerData, ...options });
}
