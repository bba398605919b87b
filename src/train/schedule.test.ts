import { describe, expect, it } from 'vitest';
import { SCHEDULES, type ScheduleOptions, scheduleAt } from './schedule.js';

const options: ScheduleOptions = { kind: 'cosine', steps: 100, warmup: 10, floor: 0.1, decay: 0.2 };
const rates = (more: Partial<ScheduleOptions>) =>
  Array.from({ length: 100 }, (_, step) => scheduleAt(step, { ...options, ...more }));

describe('scheduleAt', () => {
  it.each(SCHEDULES)('%s rises for the warm-up, never above 1, and never rises again', (kind) => {
    const all = rates({ kind });
    expect(all.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, i) => (i + 1) / 10));
    for (let i = 10; i < 100; i++) expect(all[i]).toBeLessThanOrEqual(all[i - 1]);
  });

  it('follows half a cosine, or a line, to the floor', () => {
    expect(scheduleAt(55, options)).toBeCloseTo(0.55);
    expect(scheduleAt(100, options)).toBeCloseTo(0.1);
    expect(scheduleAt(32, { ...options, kind: 'cosine', floor: 0 })).toBeCloseTo(
      (1 + Math.cos((Math.PI * 22) / 90)) / 2,
    );
    expect(scheduleAt(28, { ...options, kind: 'linear', floor: 0 })).toBeCloseTo(0.8);
  });

  it('is constant until the decay of WSD', () => {
    const all = rates({ kind: 'wsd', floor: 0 });
    expect(all.slice(10, 81).every((rate) => rate === 1)).toBe(true);
    expect(all[90]).toBeCloseTo(0.5);
    expect(all[99]).toBeCloseTo(0.05);
  });

  it('stays finite where the whole run is warm-up, and where there is none', () => {
    expect(scheduleAt(4, { ...options, steps: 5, warmup: 5 })).toBe(1);
    expect(scheduleAt(0, { ...options, steps: 1, warmup: 0 })).toBe(1);
    expect(scheduleAt(7, { ...options, kind: 'wsd', steps: 5, warmup: 5 })).toBeCloseTo(0.1);
  });
});
