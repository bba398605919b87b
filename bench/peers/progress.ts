/**
 * What runs now, on standard error: one line that rewrites itself on a terminal; elsewhere a line of its own, at most
 * one in two seconds.
 */
const INTERVAL_MS = 2000;
let lastPrinted = 0;
let shown = false;

export function showStatus(text: string): void {
  const { stderr } = process;
  if (stderr.isTTY) {
    stderr.write(`\r\x1b[K${text.slice(0, (stderr.columns ?? 80) - 1)}`);
    shown = true;
  } else if (performance.now() - lastPrinted >= INTERVAL_MS) {
    lastPrinted = performance.now();
    stderr.write(`${text}\n`);
  }
}

export function clearStatus(): void {
  if (shown) process.stderr.write('\r\x1b[K');
  shown = false;
}

/** A line on standard output that stays. */
export function print(text: string): void {
  clearStatus();
  console.log(text);
}
