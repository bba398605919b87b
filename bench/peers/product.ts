/**
 * One matrix product, timed in a process of its own, by Kaiwen's kernels, by onnxruntime and by OpenBLAS; this file
 * runs on both sides.
 */
import { fileURLToPath } from 'node:url';
import { Child, serve } from './child.js';

/** y [tokens, rows] = x [tokens, cols] · weightsᵀ, weights [rows, cols]; activations come and results go as float32. */
export interface ProductCase {
  type: 'q4_0' | 'q8_0' | 'f32';
  tokens: number;
  rows: number;
  cols: number;
}

export type Library = 'kaiwen' | 'onnxruntime' | 'openblas';

export interface Multiplier {
  /** Products that one `run` computes, each with weights of its own. */
  copies: number;
  run(): void | Promise<void>;
  /** What should be said about it. */
  note?: string;
}

/** Where a product is small, several in a row, so that what it costs to ask for them does not count. */
export function copiesOf({ tokens }: ProductCase): number {
  return tokens <= 64 ? 8 : 1;
}

export class Product {
  private readonly child: Child;

  constructor(name: string, library: Library, env?: Readonly<Record<string, string>>) {
    this.child = new Child(name, fileURLToPath(import.meta.url), [library], env);
  }

  /** Returns what the library has to say. Throws where it is not installed. */
  prepare(one: ProductCase, threads: number): Promise<string | undefined> {
    return this.child.call('prepare', one, threads);
  }

  /** Milliseconds of one product: the mean over at least `ms`. */
  time(ms: number): Promise<number> {
    return this.child.call('time', ms);
  }

  stop(): Promise<void> {
    return this.child.stop();
  }
}

async function open(library: Library, one: ProductCase, threads: number): Promise<Multiplier> {
  switch (library) {
    case 'kaiwen':
      return (await import('./product-kaiwen.js')).multiplier(one, threads);
    case 'onnxruntime':
      return (await import('./product-onnx.js')).multiplier(one, threads);
    case 'openblas':
      return (await import('./product-blas.js')).multiplier(one, threads);
  }
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) {
  let multiplier: Multiplier;
  serve({
    prepare: async (one: ProductCase, threads: number) => {
      multiplier = await open(process.argv[2] as Library, one, threads);
      await multiplier.run();
      return multiplier.note;
    },
    time: async (ms: number) => {
      const start = performance.now();
      let [count, elapsed] = [0, 0];
      while (elapsed < ms) {
        await multiplier.run();
        count += multiplier.copies;
        elapsed = performance.now() - start;
      }
      return elapsed / count;
    },
  });
}
