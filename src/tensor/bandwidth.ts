/** Measures how fast this machine reads memory, with plain reads and, where there is machine code, with prefetched ones: the limit of decoding. */
import { once } from 'node:events';
import { startWorker } from './host.js';
import { chooseSimd, compileKernels } from './kernels.js';
import { acquireNative, type NativeCode, releaseNative } from './native/native.js';

export interface ReaderData {
  module: WebAssembly.Module;
  native?: NativeCode;
  /** Bytes that each reader goes over, far more than caches hold. */
  bytes: number;
  /** Milliseconds of each round; the best round counts. */
  roundMs: number;
  rounds: number;
  /** Readers that are ready; all start when the count reaches `readers`. */
  ready: Int32Array;
  readers: number;
}

/** Bytes per second that `threads` threads read together: the best of some rounds of a tenth of a second. */
export async function measureBandwidth(threads: number, rounds = 8): Promise<number> {
  const native = acquireNative();
  const code = 'refused' in native ? undefined : native;
  const data: ReaderData = {
    module: compileKernels(chooseSimd()),
    native: code,
    ...{ bytes: 192 << 20, roundMs: 100, rounds, readers: threads },
    ready: new Int32Array(new SharedArrayBuffer(4)),
  };
  try {
    const readers = Array.from({ length: threads }, () => startWorker('tensor/bandwidth-reader.js', data));
    const results = await Promise.all(readers.map(async (reader) => (await once(reader, 'message'))[0] as number[]));
    // A round is what all readers did in it; they run in step.
    const sums = results[0].map((_, round) => results.reduce((sum, speeds) => sum + speeds[round], 0));
    return Math.max(...sums);
  } finally {
    if (code) releaseNative(code);
  }
}
