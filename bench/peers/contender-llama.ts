/**
 * llama.cpp through node-llama-cpp, with its defaults (memory-mapped weights, repacked where it can, f16 cache, flash
 * attention as it decides) and batches of 512. The public interface samples after every token, so that this goes one
 * level down and times llama.cpp's decoding alone: forward pass and head. Tokens of several sequences go into one
 * llama_batch, or into one each where that is faster (with Q8_0 it can be).
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
  /** Forgets positions from `start` up to `end`; -1 is the end of the sequence. */
  removeTokenCellsFromSequence(sequence: number, start: number, end: number): boolean;
}

/** Tokens of one sequence in a batch. */
interface Part {
  sequence: number;
  position: number;
  ids: readonly number[];
}

const BATCH = 512;

export class LlamaContender implements Contender {
  private llama!: Llama;
  private binding!: Binding;
  private vocab = 0;
  /** Tokens of `anyTokens` that each sequence begins with. */
  private held: number[] = [];
  /** Whether so many sequences are faster in one batch, once that was tried. */
  private readonly batched = new Map<number, boolean>();

  async start(threads: number): Promise<void> {
    this.llama = await openLlama(threads);
  }

  async load(file: string, { threads, context: contextSize, sequences }: Settings): Promise<undefined> {
    const model = await this.llama.loadModel({ modelPath: file });
    const context = await model.createContext({ contextSize, threads, batchSize: BATCH, sequences });
    this.binding = (context as LlamaContext & { _ctx: Binding })._ctx;
    this.vocab = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
    this.held = new Array(sequences).fill(0);
  }

  async prefill(tokens: number, sequence = 0): Promise<number> {
    this.binding.disposeSequence(sequence);
    const ids = anyTokens(tokens, this.vocab);
    const start = performance.now();
    for (let position = 0; position < tokens; position += BATCH) {
      await this.compute([{ sequence, position, ids: ids.slice(position, position + BATCH) }]);
    }
    this.held[sequence] = tokens;
    return performance.now() - start;
  }

  async decode(context: number, tokens: number, sequences: number): Promise<number> {
    if (!this.batched.has(sequences)) this.batched.set(sequences, await this.isFasterBatched(sequences));
    await this.fill(context, sequences);
    return this.timeSteps(context, tokens, sequences, this.batched.get(sequences)!);
  }

  private async isFasterBatched(sequences: number): Promise<boolean> {
    if (sequences === 1) return true;
    const context = 16;
    const best = { true: Infinity, false: Infinity };
    for (let run = 0; run < 3; run++) {
      for (const batched of [true, false]) {
        await this.fill(context, sequences);
        const ms = await this.timeSteps(context, 2, sequences, batched);
        best[`${batched}`] = Math.min(best[`${batched}`], ms);
      }
    }
    return best.true <= best.false;
  }

  /** Has each sequence hold a prompt of `context` tokens. */
  private async fill(context: number, sequences: number): Promise<void> {
    for (let sequence = 0; sequence < sequences; sequence++) {
      // Only decoding is timed, so that what is there already of the prompt stays.
      if (this.held[sequence] < context) await this.prefill(context, sequence);
      this.held[sequence] = context;
      this.binding.removeTokenCellsFromSequence(sequence, context, -1);
    }
  }

  private async timeSteps(context: number, tokens: number, sequences: number, batched: boolean): Promise<number> {
    const ids = anyTokens(tokens, this.vocab);
    const start = performance.now();
    for (let i = 0; i < tokens; i++) {
      const position = context + i;
      const parts = Array.from({ length: sequences }, (_, sequence) => ({ sequence, position, ids: [ids[i]] }));
      if (batched) await this.compute(parts);
      else for (const part of parts) await this.compute([part]);
    }
    return performance.now() - start;
  }

  private async compute(parts: readonly Part[]): Promise<void> {
    this.binding.initBatch(parts.reduce((sum, { ids }) => sum + ids.length, 0));
    for (const { sequence, position, ids } of parts) {
      this.binding.addToBatch(sequence, position, Uint32Array.from(ids), Uint32Array.of(ids.length - 1));
    }
    await this.binding.decodeBatch();
  }
}
