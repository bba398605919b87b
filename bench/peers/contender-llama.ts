/**
 * llama.cpp through node-llama-cpp, with its defaults (memory-mapped weights, repacked where it can, f16 cache, flash
 * attention as it decides) and batches of 512. The public interface samples after every token, so that this goes one
 * level down and times llama.cpp's decoding alone: forward pass and head.
 */
import type { Llama, LlamaContext } from 'node-llama-cpp';
import { anyTokens, type Contender, type Settings } from './contender.js';
import { openLlama } from './llama.js';

/** The native binding behind a LlamaContext. */
interface Binding {
  initBatch(size: number): void;
  /** Adds tokens at a position of a sequence; logits are computed for those whose index is listed. */
  addToBatch(sequence: number, position: number, tokens: Uint32Array, logits: Uint32Array): unknown;
  decodeBatch(): Promise<void>;
  /** Forgets a sequence. */
  disposeSequence(sequence: number): void;
}

const BATCH = 512;

export class LlamaContender implements Contender {
  private llama!: Llama;
  private binding!: Binding;
  private vocab = 0;

  async start(threads: number): Promise<void> {
    this.llama = await openLlama(threads);
  }

  async load(file: string, { threads, context: contextSize }: Settings): Promise<undefined> {
    const model = await this.llama.loadModel({ modelPath: file });
    const context = await model.createContext({ contextSize, threads, batchSize: BATCH, sequences: 1 });
    this.binding = (context as LlamaContext & { _ctx: Binding })._ctx;
    this.vocab = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  }

  async prefill(tokens: number): Promise<number> {
    this.binding.disposeSequence(0);
    const ids = anyTokens(tokens, this.vocab);
    const start = performance.now();
    for (let from = 0; from < tokens; from += BATCH) await this.compute(from, ids.slice(from, from + BATCH));
    return performance.now() - start;
  }

  async decode(context: number, tokens: number): Promise<number> {
    await this.prefill(context);
    const ids = anyTokens(tokens, this.vocab);
    const start = performance.now();
    for (let i = 0; i < tokens; i++) await this.compute(context + i, [ids[i]]);
    return performance.now() - start;
  }

  private async compute(position: number, ids: readonly number[]): Promise<void> {
    this.binding.initBatch(ids.length);
    this.binding.addToBatch(0, position, Uint32Array.from(ids), Uint32Array.of(ids.length - 1));
    await this.binding.decodeBatch();
  }
}
