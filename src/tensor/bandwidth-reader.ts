/** One reader of measureBandwidth: reads its own memory over and over and reports bytes per second of each round. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ReaderData } from './bandwidth.js';
import { instantiate } from './kernels.js';
import { Native, ReadArgs } from './native/kernels.js';
import { bindNative } from './native/native.js';

const { module, native, bytes, roundMs, rounds, ready, readers } = workerData as ReaderData;
const STEP = 4 << 20;
const START = 65_536;
/** Where the native kernel finds its arguments: below what is read. */
const ARGS = START - 64;
// Prefetching runs past the end of what is read.
const pages = (START + bytes) / 65_536 + 1;
const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
const calls = native && bindNative(native, memory);
const kernels = instantiate(module, memory, calls);
new Uint8Array(memory.buffer).fill(1);
const args = new Uint32Array(memory.buffer, ARGS, 2);

/** Every other round is prefetched, where there is machine code for it. */
const ways = [
  (at: number) => kernels.readAll(at, STEP),
  (at: number) => {
    if (!calls) return kernels.readAll(at, STEP);
    args[ReadArgs.from] = at;
    args[ReadArgs.bytes] = STEP;
    calls.call(Native.read, ARGS);
  },
];

if (Atomics.add(ready, 0, 1) + 1 === readers) Atomics.notify(ready, 0);
for (let count = Atomics.load(ready, 0); count < readers; count = Atomics.load(ready, 0))
  Atomics.wait(ready, 0, count, 1);

const speeds: number[] = [];
let at = 0;
for (let round = 0; round < rounds; round++) {
  const start = performance.now();
  let read = 0;
  while (performance.now() - start < roundMs) {
    ways[round % 2](START + at);
    at = (at + STEP) % bytes;
    read += STEP;
  }
  speeds.push((1000 * read) / (performance.now() - start));
}
parentPort!.postMessage(speeds);
