/** Whose turn it is: groups of requests come one after the other, whatever the number of requests in each. */

/** A group that has not been seen for so many others is new again. */
const REMEMBERED = 1024;

export class Turns {
  /** The one whose last turn is longest ago first. */
  private readonly groups = new Set<string>();

  /** In the order of their turns: who never had one, then whose last is longest ago. */
  order(groups: Iterable<string>): string[] {
    const present = new Set(groups);
    const known = [...this.groups].filter((group) => present.delete(group));
    return [...present, ...known];
  }

  /** `group` has had its turn. */
  took(group: string): void {
    this.groups.delete(group);
    this.groups.add(group);
    if (this.groups.size > REMEMBERED) for (const oldest of this.groups) return void this.groups.delete(oldest);
  }
}

interface Waiting {
  readonly group: string;
  /** When it last had a turn, no two at the same time; smaller is earlier. */
  readonly last: number;
}

/**
 * The `most` of `all` that are next: one of each group before the second of any, inside a group whose last turn is
 * longest ago, and of groups' equals again the longest ago.
 */
export function nextInTurn<T extends Waiting>(all: readonly T[], most: number): T[] {
  if (all.length <= most) return [...all];
  const taken = new Map<string, number>();
  const ranked = [...all]
    .sort((a, b) => a.last - b.last)
    .map((one) => {
      const rank = taken.get(one.group) ?? 0;
      taken.set(one.group, rank + 1);
      return { one, rank };
    });
  // Sorting keeps the order of equals.
  ranked.sort((a, b) => a.rank - b.rank);
  return ranked.slice(0, most).map(({ one }) => one);
}
