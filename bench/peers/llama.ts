/** llama.cpp, from the binaries that node-llama-cpp's packages bring: nothing is compiled or downloaded. */
import { getLlama, type Llama, LlamaLogLevel, type LlamaModel, type Token } from 'node-llama-cpp';

export function openLlama(threads: number): Promise<Llama> {
  return getLlama({
    ...{ build: 'never', skipDownload: true, gpu: false, maxThreads: threads },
    ...{ progressLogs: false, logLevel: LlamaLogLevel.error },
  });
}

/**
 * Logits [T, vocab] of every position, computed in one batch. The cache is kept in float32 and flash attention is
 * off, so that what differs from other engines is the arithmetic of weights and not the cache's precision.
 */
export async function llamaLogits(model: LlamaModel, ids: readonly number[]): Promise<Float32Array> {
  const context = await model.createContext({
    ...{ contextSize: 512, batchSize: 512, sequences: 1, flashAttention: false },
    ...{ experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32' },
  });
  try {
    const ask = { generateNext: { logits: true } };
    const outputs = await context
      .getSequence()
      .controlledEvaluate(ids.map((id) => [id as Token, ask] as [Token, typeof ask]));
    const rows = outputs.map((output) => output!.next.logits!);
    const vocab = rows[0].size;
    const logits = new Float32Array(ids.length * vocab);
    rows.forEach((row, position) => {
      for (const [token, logit] of row) logits[position * vocab + token] = logit;
    });
    return logits;
  } finally {
    await context.dispose();
  }
}
