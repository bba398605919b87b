/** What tensor/ needs of Node and a browser would do differently: reading the kernels, a V8 flag, starting workers. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';

/** Workers and kernels are loaded from dist/, also when this file runs from src/ in a test. */
const dist = new URL(import.meta.url.replace(/\/src\/tensor\/[^/]*$/, '/dist/tensor/'));

export function readKernels(simd: 'plain' | 'relaxed'): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`../kernels/${simd}.wasm`, dist)));
}

export function enableRelaxedSimd(): void {
  setFlagsFromString('--experimental-wasm-relaxed-simd');
}

/** Starts `module` (a path below dist/, such as `tensor/member.js`) as a worker thread. */
export function startWorker(module: string, workerData: unknown): Worker {
  return new Worker(new URL(`../${module}`, dist), { workerData });
}
