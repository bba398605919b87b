/** A temporary folder of converted models, and Kaiwen's logits of them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { convert } from '../../src/formats/convert.js';
import type { ConvertType } from '../../src/formats/quant-mix.js';
import { startEngine } from '../../src/generate/engine-client.js';

export class Workspace implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'kaiwen-peers-'));
  private files = 0;

  /** Converts `model` to a GGUF file and returns its path. */
  async convert(model: string, type: ConvertType): Promise<string> {
    const path = join(this.folder, `${this.files++}-${type}.gguf`);
    await convert(model, path, { type });
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Logits [T, vocab] of every position and the size of the vocabulary; keys and values are kept in float32. */
export async function kaiwenLogits(
  path: string,
  ids: readonly number[],
): Promise<{ logits: Float32Array; vocab: number }> {
  await using engine = await startEngine(path, { threads: 2, context: 512, kv: 'f32' });
  return { logits: await engine.logits(ids), vocab: engine.info.vocabSize };
}
