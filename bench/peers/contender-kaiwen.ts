/** Kaiwen, timed inside its engine: forward pass and head, no sampling. */
import type { Engine } from '../../src/generate/engine.js';
import { startEngine } from '../../src/generate/engine-client.js';
import type { Contender, Settings, Sizes } from './contender.js';

export class KaiwenContender implements Contender {
  private engine!: Engine;

  async load(file: string, settings: Settings): Promise<Sizes> {
    this.engine = await startEngine(file, settings);
    const { weightBytes, cacheBytes, bytesPerToken } = this.engine.info;
    return { weights: weightBytes, cache: cacheBytes, perToken: bytesPerToken };
  }

  async prefill(tokens: number): Promise<number> {
    return (await this.engine.bench(tokens, 0, 1)).prefillMs[0];
  }

  async decode(context: number, tokens: number, sequences: number): Promise<number> {
    return (await this.engine.bench(context, tokens, 1, sequences, true)).decodeMs[0];
  }
}
