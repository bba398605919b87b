/** How the learning rate runs over the steps: a warm-up from nothing, then one of four shapes. */

export const SCHEDULES = ['cosine', 'linear', 'wsd', 'constant'] as const;
export type ScheduleKind = (typeof SCHEDULES)[number];

export interface ScheduleOptions {
  kind: ScheduleKind;
  /** Steps of the whole run. */
  steps: number;
  /** Steps in which the rate rises linearly; step 0 already has 1/warmup of it. */
  warmup: number;
  /** Share of the full rate that is left after the last step. */
  floor: number;
  /** `wsd`: share of the steps in which the rate falls; before, it is constant. */
  decay: number;
}

/** The share of the full learning rate at a step, counted from 0. */
export function scheduleAt(step: number, { kind, steps, warmup, floor, decay }: ScheduleOptions): number {
  if (step < warmup) return (step + 1) / warmup;
  const falling = kind === 'wsd' ? Math.min(Math.max(1, Math.round(decay * steps)), steps - warmup) : steps - warmup;
  const done = Math.max(0, step - (steps - falling)) / Math.max(1, falling);
  if (kind === 'constant' || done <= 0) return 1;
  const left = kind === 'cosine' ? (1 + Math.cos(Math.PI * Math.min(1, done))) / 2 : 1 - Math.min(1, done);
  return floor + (1 - floor) * left;
}
