/** Text tables: the first column to the left, numbers to the right. */

export function formatTable(header: readonly string[], rows: readonly (readonly string[])[], left = 1): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column < left ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Three significant digits, exponents where they are shorter. */
export function short(value: number): string {
  if (value === 0) return '0';
  return Math.abs(value) < 1e-3
    ? value.toExponential(1)
    : value
        .toPrecision(3)
        .replace(/(\.\d*?)0+$/, '$1')
        .replace(/\.$/, '');
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
