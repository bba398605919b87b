/** One reader of measureBandwidth: reads its own memory over and over and reports bytes per second of each round. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ReaderData } from './bandwidth.js';
import { instantiate } from './kernels.js';

const { module, bytes, roundMs, rounds, ready, readers } = workerData as ReaderData;
const STEP = 4 << 20;
const START = 65_536;
const pages = (START + bytes) / 65_536;
const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
const kernels = instantiate(module, memory);
new Uint8Array(memory.buffer).fill(1);

if (Atomics.add(ready, 0, 1) + 1 === readers) Atomics.notify(ready, 0);
for (let count = Atomics.load(ready, 0); count < readers; count = Atomics.load(ready, 0))
  Atomics.wait(ready, 0, count, 1);

const speeds: number[] = [];
let at = 0;
for (let round = 0; round < rounds; round++) {
  const start = performance.now();
  let read = 0;
  while (performance.now() - start < roundMs) {
    kernels.readAll(START + at, STEP);
    at = (at + STEP) % bytes;
    read += STEP;
  }
  speeds.push((1000 * read) / (performance.now() - start));
}
parentPort!.postMessage(speeds);
