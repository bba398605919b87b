/** What this machine has: physical cores and memory that can still be had. */
import { readFileSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';

/** Physical cores that this process may use; hardware threads where the system does not tell them apart. */
export function physicalCores(): number {
  const threads = availableParallelism();
  try {
    const cores = new Set<string>();
    for (const cpu of readFileSync('/proc/cpuinfo', 'utf8').split('\n\n')) {
      const socket = /^physical id\s*:\s*(\d+)/m.exec(cpu)?.[1];
      const core = /^core id\s*:\s*(\d+)/m.exec(cpu)?.[1];
      if (core !== undefined) cores.add(`${socket}/${core}`);
    }
    if (cores.size > 0) return Math.min(cores.size, threads);
  } catch {
    // Not Linux: hardware threads it is.
  }
  return threads;
}

/** Bytes that can be allocated without swapping, as the system or its container says. */
export function availableMemory(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  const free = freemem();
  // No limit is reported as 0 or as an absurdly large number.
  if (limit > 0 && limit < 2 ** 50) return Math.min(free, Math.max(0, limit - process.memoryUsage.rss()));
  return free;
}
