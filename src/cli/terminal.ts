/** What a terminal shows besides the answer: styles, a progress bar that erases itself, human numbers. */
import pc from 'picocolors';

export type Colors = ReturnType<typeof pc.createColors>;

/** Styles for a stream: plain text where it is not a terminal or NO_COLOR is set. */
export function colorsFor(stream: { isTTY?: boolean }): Colors {
  return pc.createColors(stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb');
}

export interface Progress {
  update(done: number, total: number): void;
  /** Erases the bar. */
  end(): void;
}

const SHOW_AFTER_MS = 500;
const REDRAW_MS = 100;
const BAR_WIDTH = 24;

/** A bar on standard error, drawn only on a terminal and only for work longer than half a second. */
export function startProgress(label: string, stream: NodeJS.WriteStream = process.stderr): Progress {
  const started = Date.now();
  let drawn = 0;
  return {
    update(done, total) {
      const now = Date.now();
      if (!stream.isTTY || now - started < SHOW_AFTER_MS || now - drawn < REDRAW_MS) return;
      drawn = now;
      stream.write(`\r\x1b[K${progressLine(label, done, total, stream.columns ?? 80)}`);
    },
    end() {
      if (drawn) stream.write('\r\x1b[K');
    },
  };
}

/** One line, at most `columns - 1` wide so that it never wraps. */
export function progressLine(label: string, done: number, total: number, columns: number): string {
  const share = total > 0 ? Math.min(1, done / total) : 0;
  const filled = Math.round(share * BAR_WIDTH);
  const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} ${String(Math.floor(share * 100)).padStart(3)} %`;
  const room = columns - 1 - bar.length - 1;
  if (room < 8) return bar.slice(0, Math.max(0, columns - 1));
  const name = label.length > room ? `…${label.slice(label.length - room + 1)}` : label;
  return `${name} ${bar}`;
}

/** 1_700_000 → "1.7 M", 620e6 → "620 M", 4e9 → "4.0 G". */
export function formatCount(value: number): string {
  return scaled(value, 1000, ['', 'k', 'M', 'G', 'T']);
}

/** Bytes in binary units: "3.3 MiB". */
export function formatBytes(value: number): string {
  return scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let unit = 0;
  let rest = value;
  while (rest >= step && unit < units.length - 1) {
    rest /= step;
    unit++;
  }
  const digits = unit === 0 || rest >= 100 ? 0 : 1;
  return `${rest.toFixed(digits)} ${units[unit]}`.trimEnd();
}
