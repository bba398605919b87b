/**
 * How operations are cut into pieces: by shapes alone, so that results do not depend on the number of threads.
 * A piece should take some 5 to 40 microseconds: long enough to be worth claiming, short enough to share well.
 */

/** Rows a piece so that a piece holds about `target` elements. */
export function rowsPerPiece(rows: number, elementsPerRow: number, target: number): number {
  return Math.max(1, Math.min(rows, Math.floor(target / elementsPerRow)));
}

/** Columns a piece: at most about `target`, nearly equal shares, whole cache lines and blocks of 32. */
export function columnsPerPiece(columns: number, target: number): number {
  const shares = Math.ceil(columns / target);
  return Math.ceil(columns / shares / 32) * 32;
}

/** A matrix cut into rectangles of about `target` elements: whole rows if they are short, parts of one if long. */
export function rectangles(rows: number, cols: number, target: number): { rows: number; cols: number; pieces: number } {
  if (cols > target) {
    const width = columnsPerPiece(cols, target);
    return { rows: 1, cols: width, pieces: rows * Math.ceil(cols / width) };
  }
  const height = rowsPerPiece(rows, cols, target);
  return { rows: height, cols, pieces: Math.ceil(rows / height) };
}
