/** How users are told what computes. */
import type { EngineInfo } from '../generate/engine.js';

/** "machine code for avx512-vnni" or "WebAssembly (relaxed SIMD)". */
export function backendName({ native, simd }: EngineInfo): string {
  return native === null ? `WebAssembly (${simd} SIMD)` : `machine code for ${native}`;
}

/** Says on standard error what a user should know of the loaded model, such as that machine code is not used. */
export function showNotices({ notices }: EngineInfo): void {
  for (const notice of notices) process.stderr.write(`${notice}\n`);
}
