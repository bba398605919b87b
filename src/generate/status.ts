import type { EngineStatus } from './engine.js';

/** The status of an engine that has not done anything yet. */
export function newStatus(): EngineStatus {
  return {
    waiting: 0,
    running: 0,
    steps: 0,
    rows: 0,
    stepMs: 0,
    chunks: 0,
    chunkMs: 0,
    promptTokens: 0,
    cachedTokens: 0,
    completionTokens: 0,
    preemptions: 0,
    restarts: 0,
    pages: { size: 0, total: 0, used: 0, cached: 0, spilled: 0, hits: 0 },
  };
}
