import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { Op } from './opcodes.js';
import { add, copy } from './ops/elementwise.js';
import { Team } from './team.js';

describe.each([1, 2, 5])('a team of %i', (threads) => {
  const team = new Team([8 << 20, 8 << 20], { threads });
  afterAll(() => team[Symbol.dispose]());

  it('runs the operations of a program in order, whole', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200_000 }),
        fc.integer({ min: 1, max: 60 }),
        fc.boolean(),
        (n, steps, second) => {
          const arena = team.arenas[second ? 1 : 0];
          const mark = arena.mark;
          const [x, ones] = [arena.alloc(4 * n), arena.alloc(4 * n)];
          arena.floats(x, n).fill(0);
          arena.floats(ones, n).fill(1);
          // Each step doubles and adds one in two operations: any disorder shows in the result. Between them a small
          // operation, which has one piece however many the others have, takes a copy of the last element.
          const last = arena.alloc(4);
          arena.floats(last, 1)[0] = 0;
          for (let step = 0; step < steps % 20; step++) {
            add(arena.program, { a: x, b: x, y: x, n });
            copy(arena.program, { src: x + 4 * (n - 1), dst: last, bytes: 4 });
            add(arena.program, { a: x, b: ones, y: x, n });
          }
          team.run(arena);
          const expected = 2 ** (steps % 20) - 1;
          expect(arena.floats(x, n).every((value) => value === expected)).toBe(true);
          expect(arena.floats(last, 1)[0]).toBe(Math.max(0, expected - 1));
          arena.release(mark);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('reports a kernel that traps, and works on', () => {
    const arena = team.arenas[0];
    arena.program.emit(9999 as Op, 50, []);
    expect(() => team.run(arena)).toThrow(/failed/);
    const x = arena.alloc(64);
    arena.floats(x, 16).fill(1);
    add(arena.program, { a: x, b: x, y: x, n: 16 });
    team.run(arena);
    expect(arena.floats(x, 16)[15]).toBe(2);
  });
});
