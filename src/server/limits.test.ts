import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HttpError } from './http-error.js';
import type { KeyInfo, KeyLimits } from './keys.js';
import { LocalLimiter, type Reservation, type Visit } from './limits.js';

const START = Date.UTC(2025, 0, 1, 12);
const key = (limits: KeyLimits): KeyInfo => ({ id: 'a', limits });

function refused(action: () => unknown): HttpError {
  try {
    action();
  } catch (error) {
    return error as HttpError;
  }
  throw new Error('It was let in.');
}

describe('a limiter', () => {
  it('says where the key stands, and when to come back', () => {
    let now = START;
    const limiter = new LocalLimiter({ now: () => now });
    const holder = key({ requestsPerMinute: 2, tokensPerMinute: 100 });
    const visit = limiter.enter(holder);
    visit.reserve(60).settle(25);
    expect(visit.headers()).toMatchObject({
      'x-ratelimit-limit-requests': '2',
      'x-ratelimit-remaining-requests': '1',
      'x-ratelimit-remaining-tokens': '75',
    });
    expect(visit.headers()['x-ratelimit-reset-tokens']).toMatch(/^1m0s$/);
    now += 30_000;
    limiter.enter(holder);
    const error = refused(() => limiter.enter(holder));
    expect(error).toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
    expect(error.headers['x-ratelimit-remaining-requests']).toBe('0');
    now += 1000 * Number(error.headers['retry-after']);
    limiter.enter(holder);
    expect(refused(() => visit.reserve(101)).headers['retry-after']).toBeUndefined();
  });

  it('lets as many run at once as it may, whatever order they leave in', () => {
    const limiter = new LocalLimiter({ now: () => START });
    const holder = key({ concurrency: 2 });
    const [first] = [limiter.enter(holder), limiter.enter(holder)];
    expect(refused(() => limiter.enter(holder)).status).toBe(429);
    first.leave();
    first.leave();
    limiter.enter(holder);
    expect(refused(() => limiter.enter(holder)).status).toBe(429);
    limiter.enter({ id: 'b', limits: { concurrency: 1 } });
  });

  it('counts days from midnight, across a restart', () => {
    let now = START;
    const holder = key({ tokensPerDay: 100 });
    const limiter = new LocalLimiter({ now: () => now });
    limiter.enter(holder).reserve(90).settle(80);
    const next = new LocalLimiter({ now: () => now, used: limiter.used });
    const error = refused(() => next.enter(holder).reserve(21));
    expect(error.headers['retry-after']).toBe(String(12 * 3600));
    const late = next.enter(holder).reserve(20);
    now += 12 * 3600_000;
    next.enter(holder).reserve(100);
    // What yesterday took is not given back today.
    late.settle(0);
    expect(refused(() => next.enter(holder).reserve(1)).status).toBe(429);
  });

  it('takes new limits of a key at once, and what was used stays used', () => {
    const limiter = new LocalLimiter({ now: () => START });
    limiter.enter(key({ requestsPerMinute: 5 }));
    expect(refused(() => limiter.enter(key({ requestsPerMinute: 1 }))).status).toBe(429);
  });

  /** Any history of arrivals, reservations, ends and pauses. */
  const step = fc.oneof(
    fc.record({ kind: fc.constant('enter' as const), tokens: fc.integer({ min: 0, max: 40 }) }),
    fc.record({
      kind: fc.constant('end' as const),
      which: fc.nat(20),
      used: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 40_000 }) }),
  );

  it('never lets through more than a limit within any minute, and nothing leaks', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        let now = START;
        const limits = { requestsPerMinute: 5, tokensPerMinute: 100, concurrency: 3 };
        const limiter = new LocalLimiter({ now: () => now });
        const requests: number[] = [];
        // What each answer holds of the limit: all it reserved, then what it used.
        const taken: { at: number; tokens: number }[] = [];
        const open: { visit: Visit; reservation: Reservation; entry: (typeof taken)[number] }[] = [];
        const within = (at: number) => now - at < 60_000;
        const tokensNow = () => taken.reduce((sum, { at, tokens }) => sum + (within(at) ? tokens : 0), 0);
        for (const one of steps) {
          if (one.kind === 'wait') now += one.ms;
          else if (one.kind === 'end') {
            const [ended] = open.splice(one.which % Math.max(1, open.length), 1);
            if (!ended) continue;
            ended.entry.tokens = Math.floor(ended.entry.tokens * one.used);
            ended.reservation.settle(ended.entry.tokens);
            ended.visit.leave();
          } else {
            let visit: Visit;
            try {
              visit = limiter.enter(key(limits));
            } catch {
              // Refused for a reason: a place, or a request of the last minute (and a slot of 250 ms).
              const recent = requests.filter((at) => now - at <= 60_250).length;
              expect(open.length === 3 || recent >= 5).toBe(true);
              continue;
            }
            requests.push(now);
            expect(open.length).toBeLessThan(3);
            expect(requests.filter(within).length).toBeLessThanOrEqual(5);
            try {
              const reservation = visit.reserve(one.tokens);
              const entry = { at: now, tokens: one.tokens };
              taken.push(entry);
              open.push({ visit, reservation, entry });
              expect(tokensNow()).toBeLessThanOrEqual(100);
            } catch (error) {
              expect((error as HttpError).status).toBe(429);
              const recent = taken.reduce((sum, { at, tokens }) => sum + (now - at <= 60_250 ? tokens : 0), 0);
              expect(recent + one.tokens).toBeGreaterThan(100);
              visit.leave();
            }
          }
        }
        for (const { visit, reservation } of open) {
          reservation.settle(0);
          visit.leave();
        }
        now += 60_251;
        const places = [0, 1, 2].map(() => limiter.enter(key(limits)));
        places[0].reserve(100);
      }),
      { numRuns: 300 },
    );
  });

  it('tells, when it refuses, how long to wait, and that is enough', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.nat(30_000)), { maxLength: 40 }),
        (requests) => {
          let now = START;
          const limiter = new LocalLimiter({ now: () => now });
          for (const [tokens, pause] of requests) {
            now += pause;
            const visit = limiter.enter(key({ tokensPerMinute: 100 }));
            try {
              visit.reserve(tokens);
            } catch (error) {
              now += 1000 * Number((error as HttpError).headers['retry-after']);
              visit.reserve(tokens);
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
