/**
 * Unicode normalisation form C, in linear time on hostile input too: the engine's own sorts combining marks by
 * insertion, which takes minutes on a megabyte of marks in the wrong order, so long runs are sorted here first.
 * The order comes from each mark's canonical combining class, which the engine shows only by how it sorts pairs.
 */

/** This many marks in a row are sorted beforehand; no script comes near it. */
const LONG_RUNS = /\p{M}{64,}/gu;
/** Overlay (class 1, the lowest above 0) and iota below (class 240, the highest): every other mark sorts against one. */
const LOWEST = '\u0334';
const HIGHEST = '\u0345';

/** `text` in NFC. Lone surrogates stay as they are. */
export function nfc(text: string): string {
  return text.replace(LONG_RUNS, sortMarks).normalize('NFC');
}

/** A canonically equivalent run whose reordering marks are in canonical order, equal classes in their old order. */
function sortMarks(run: string): string {
  const decomposed = new Map<string, string>();
  for (const mark of new Set(run)) decomposed.set(mark, mark.normalize('NFD'));
  const marks = [...run].flatMap((mark) => [...decomposed.get(mark)!]);
  const classes = combiningClasses(new Set(marks));

  let sorted = '';
  let buckets: string[][] = [];
  const flush = (): void => {
    for (const bucket of buckets) if (bucket) sorted += bucket.join('');
    buckets = [];
  };
  for (const mark of marks) {
    const order = classes.get(mark);
    if (order === undefined) {
      flush();
      sorted += mark;
    } else (buckets[order] ??= []).push(mark);
  }
  flush();
  return sorted;
}

/** The rank of each mark's combining class among those given; marks of class 0, which never move, are left out. */
function combiningClasses(marks: Iterable<string>): Map<string, number> {
  const moves = [...marks].filter(
    (mark) => mark === LOWEST || mark === HIGHEST || isAbove(mark, LOWEST) || isAbove(HIGHEST, mark),
  );
  moves.sort((a, b) => Number(isAbove(a, b)) - Number(isAbove(b, a)));
  const classes = new Map<string, number>();
  let order = 0;
  moves.forEach((mark, i) => {
    if (i > 0 && isAbove(mark, moves[i - 1]!)) order++;
    classes.set(mark, order);
  });
  return classes;
}

/** Whether `a` has the higher of two classes above 0: then the engine puts it behind `b`. */
function isAbove(a: string, b: string): boolean {
  return a !== b && (a + b).normalize('NFD') === b + a;
}
