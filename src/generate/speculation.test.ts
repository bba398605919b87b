import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_RUN_ROWS } from './runner.js';
import { Drafter, draftLengths, longestDrafts, newHabits, StepCosts } from './speculation.js';

/** Costs as measured in a machine where a step of so many rows takes `ms`. */
function measured(
  ms: (rows: number) => number,
  rows: number[] = Array.from({ length: 16 }, (_, i) => i + 1),
): StepCosts {
  const costs = new StepCosts();
  for (const r of rows) costs.learn(r, ms(r));
  return costs;
}

const sure = new Array<number>(15).fill(1);

describe('draftLengths', () => {
  it('drafts as far as it pays', () => {
    const free = measured(() => 10);
    expect(draftLengths([sure], free)).toEqual([15]);
    expect(draftLengths([[0.5, 0.25, 0.125]], free)).toEqual([3]);
    const dear = measured((rows) => 10 * rows);
    expect(draftLengths([sure], dear)).toEqual([0]);
    const tiles = measured((rows) => 10 * Math.ceil(rows / 4));
    expect(draftLengths([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]], tiles)).toEqual([3]);
    expect(draftLengths([[0.01]], free)).toEqual([0]);
  });

  it('starts with what surely pays, before anything is measured', () => {
    expect(draftLengths([[0.2, 0.04]], new StepCosts())).toEqual([0]);
    expect(draftLengths([[0.9, 0.8]], new StepCosts())).toEqual([1]);
  });

  it('tries at most twice the rows it has seen', () => {
    const costs = new StepCosts();
    for (const expected of [1, 3, 7, 15]) {
      expect(draftLengths([sure], costs)).toEqual([expected]);
      costs.learn(1 + expected, 10);
    }
  });

  it('gives the rows of a step to the likeliest tokens of all sequences', () => {
    const free = measured(() => 10);
    expect(draftLengths([[0.9, 0.8], [], [0.95, 0.1]], free)).toEqual([2, 0, 2]);
    expect(draftLengths([sure, [0.5, 0.5], sure], free)).toEqual([13, 0, 0]);
    expect(draftLengths(new Array(16).fill(sure), free)).toEqual(new Array(16).fill(0));
  });

  it('never fills a step over its rows', () => {
    const prospect = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 15 });
    fc.assert(
      fc.property(fc.array(prospect, { minLength: 1, maxLength: 16 }), fc.nat(20), (prospects, slope) => {
        for (const lengths of [
          draftLengths(
            prospects,
            measured((rows) => 10 + slope * rows),
          ),
          longestDrafts(prospects),
        ]) {
          expect(lengths.every((length, i) => length <= prospects[i].length)).toBe(true);
          expect(lengths.reduce((a, b) => a + b, prospects.length)).toBeLessThanOrEqual(MAX_RUN_ROWS);
        }
      }),
    );
  });
});

describe('StepCosts', () => {
  it('guesses between and beyond what it has measured', () => {
    const costs = measured((rows) => 10 + rows, [1, 9]);
    expect(costs.of(1)).toBe(11);
    expect(costs.of(9)).toBe(19);
    expect(costs.of(5)).toBeGreaterThan(11);
    expect(costs.of(5)).toBeLessThan(24);
    expect(costs.of(16)).toBeGreaterThan(19);
  });

  it('follows the machine, and is not misled by one slow step', () => {
    const costs = new StepCosts();
    costs.learn(1, 500);
    costs.learn(1, 10);
    expect(costs.of(1)).toBe(10);
    for (let i = 0; i < 10; i++) costs.learn(1, 10);
    costs.learn(1, 10_000);
    expect(costs.of(1)).toBeLessThan(20);
    for (let i = 0; i < 100; i++) costs.learn(1, 30);
    expect(costs.of(1)).toBeCloseTo(30, 0);
  });

  it('forgets what it has not measured for long, so that it is tried again', () => {
    const costs = measured(() => 10, [1]);
    costs.learn(4, 1000);
    expect(draftLengths([[1, 1, 1]], costs)[0]).not.toBe(3);
    for (let i = 0; i < 100; i++) costs.learn(1, 10);
    expect(draftLengths([[1, 1, 1]], costs)).toEqual([1]);
    costs.learn(2, 10);
    expect(draftLengths([[1, 1, 1]], costs)).toEqual([3]);
  });
});

describe('Drafter', () => {
  const song = Array.from({ length: 40 }, (_, i) => 100 + i);

  it('trusts long matches more than short ones', () => {
    const short = new Drafter([...song, 1, ...song.slice(0, 2)]).prospects(15);
    const long = new Drafter([...song, 1, ...song.slice(0, 10)]).prospects(15);
    expect(short.length).toBe(15);
    expect(short.every((chance, i) => chance < long[i])).toBe(true);
    expect([...long].sort((a, b) => b - a)).toEqual(long);
    expect(new Drafter(song).prospects(15)).toEqual([]);
  });

  it('learns from what is drawn, drafted or not', () => {
    const drafter = new Drafter([...song, 1]);
    const before = [2, 3, 4].map((n) => new Drafter([...song, 1, ...song.slice(0, n)]).prospects(1)[0]);
    // Every time two tokens of the song come up, something else follows.
    for (let i = 0; i < 38; i += 2) for (const id of [song[i], song[i + 1], 1000 + i]) drafter.push(id);
    for (const id of song.slice(0, 2)) drafter.push(id);
    const after = drafter.prospects(1)[0];
    expect(after).toBeLessThan(before[0] / 2);
  });

  it('begins where the answers before have ended up', () => {
    const habits = newHabits();
    const chance = () => new Drafter([...song, 1, ...song.slice(0, 2)], habits).prospects(1)[0];
    const before = chance();
    const drafter = new Drafter([...song, 1], habits);
    for (let i = 0; i < 38; i += 2) for (const id of [song[i], song[i + 1], 1000 + i]) drafter.push(id);
    expect(chance()).toBeLessThan(0.8 * before);
  });

  it('proposes what the text has said', () => {
    const drafter = new Drafter([...song, 1, ...song.slice(0, 5)]);
    expect(drafter.draft(4)).toEqual(song.slice(5, 9));
    drafter.push(song[5]);
    expect(drafter.draft(2)).toEqual(song.slice(6, 8));
  });
});
