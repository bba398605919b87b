/**
 * Limits of keys, exact however many requests come at once: what a request may come to use is taken before it runs, and
 * what it did not use is given back when it ends. Per minute means within any 60 seconds, per day from midnight to
 * midnight UTC; what a request takes counts from the moment it takes it.
 */
import { HttpError } from './http-error.js';
import type { KeyInfo } from './keys.js';
import { Window } from './window.js';

/** Decides on the requests of all keys. A platform with several servers puts its own in its place. */
export interface Limiter {
  /** A request begins. Throws HttpError 429, and then it does not count. */
  enter(key: KeyInfo): Visit;
}

/** A request while it runs. */
export interface Visit {
  /** Takes the most tokens that an answer can come to. Throws HttpError 429, and then takes none. */
  reserve(tokens: number): Reservation;
  /** Where the key stands, as OpenAI's x-ratelimit headers. */
  headers(): Record<string, string>;
  /** Must be called once, when the request has ended. */
  leave(): void;
}

export interface Reservation {
  /** What the answer came to. Later calls do nothing. */
  settle(tokens: number): void;
}

const MINUTE = 60_000;
const DAY = 86_400_000;

/** What a key has used. */
interface Account {
  running: number;
  requests: Window;
  tokens: Window;
  /** Days since 1970, and the tokens used on that one. */
  day: number;
  today: number;
}

/** Tokens that keys have used on a day, so that a restart does not forget them. */
export interface DayUsage {
  /** Days since 1970, UTC. */
  day: number;
  tokens: Record<string, number>;
}

export interface LocalLimiterOptions {
  /** Milliseconds since 1970 that never go back. */
  now?: () => number;
  /** What an earlier run left. */
  used?: DayUsage;
  /** Called when the tokens of a day change. */
  onUse?: () => void;
}

/** Limits within this process. */
export class LocalLimiter implements Limiter {
  readonly #accounts = new Map<string, Account>();
  readonly #now: () => number;
  readonly #onUse: () => void;

  constructor({ now = steadyNow, used, onUse = () => {} }: LocalLimiterOptions = {}) {
    this.#now = now;
    this.#onUse = onUse;
    for (const [id, tokens] of Object.entries(used?.tokens ?? {})) {
      const account = this.#account(id);
      account.day = used!.day;
      account.today = tokens;
    }
  }

  /** What to hand to the next run. */
  get used(): DayUsage {
    const day = Math.floor(this.#now() / DAY);
    const current = [...this.#accounts].filter(([, account]) => account.day === day && account.today > 0);
    return { day, tokens: Object.fromEntries(current.map(([id, { today }]) => [id, today])) };
  }

  enter(key: KeyInfo): Visit {
    const now = this.#now();
    const account = this.#account(key.id);
    const { requestsPerMinute, concurrency } = key.limits;
    const standing = () => headersOf(key, account, this.#now());
    if (concurrency !== undefined && account.running >= concurrency)
      throw refusal(`This key may run ${concurrency} requests at the same time, and does.`, 1000, standing());
    if (requestsPerMinute !== undefined && account.requests.used(now) >= requestsPerMinute) {
      const wait = account.requests.until(requestsPerMinute - 1, now);
      throw refusal(`This key may send ${requestsPerMinute} requests a minute, and has.`, wait, standing());
    }
    account.running++;
    account.requests.add(1, now);
    let inside = true;
    return {
      reserve: (tokens) => this.#reserve(key, account, tokens),
      headers: standing,
      leave: () => {
        if (inside) account.running--;
        inside = false;
      },
    };
  }

  #reserve(key: KeyInfo, account: Account, tokens: number): Reservation {
    const now = this.#now();
    const { tokensPerMinute, tokensPerDay } = key.limits;
    const day = this.#turnDay(account, now);
    const standing = headersOf(key, account, now);
    for (const [limit, span] of [
      [tokensPerMinute, 'minute'],
      [tokensPerDay, 'day'],
    ] as const) {
      if (limit !== undefined && tokens > limit)
        throw refusal(
          `Prompt and answer may come to ${tokens} tokens, and this key may use ${limit} a ${span}: shorten the prompt or set the most tokens of the answer.`,
          undefined,
          standing,
        );
    }
    if (tokensPerDay !== undefined && account.today + tokens > tokensPerDay) {
      const message = `This key may use ${tokensPerDay} tokens a day, of which ${tokensPerDay - account.today} are left; prompt and answer may come to ${tokens}.`;
      throw refusal(message, (day + 1) * DAY - now, standing);
    }
    const used = account.tokens.used(now);
    if (tokensPerMinute !== undefined && used + tokens > tokensPerMinute) {
      const message = `This key may use ${tokensPerMinute} tokens a minute, of which ${tokensPerMinute - used} are left; prompt and answer may come to ${tokens}.`;
      throw refusal(message, account.tokens.until(tokensPerMinute - tokens, now), standing);
    }
    const receipt = account.tokens.add(tokens, now);
    account.today += tokens;
    this.#onUse();
    let open = true;
    return {
      settle: (actual) => {
        if (!open) return;
        open = false;
        const later = this.#now();
        account.tokens.correct(receipt, actual - tokens, later);
        if (this.#turnDay(account, later) === day) account.today += actual - tokens;
        this.#onUse();
      },
    };
  }

  /** Today, with the account's count of it begun. */
  #turnDay(account: Account, now: number): number {
    const day = Math.floor(now / DAY);
    if (account.day !== day) account.today = 0;
    account.day = day;
    return day;
  }

  #account(id: string): Account {
    let account = this.#accounts.get(id);
    if (!account) {
      account = { running: 0, requests: new Window(MINUTE), tokens: new Window(MINUTE), day: 0, today: 0 };
      this.#accounts.set(id, account);
    }
    return account;
  }
}

/** The time of day, which a correction of the system's clock does not turn back. */
function steadyNow(): number {
  return performance.timeOrigin + performance.now();
}

/** Limit, rest, and when all of it is there again, for what the key has a limit of. */
function headersOf(key: KeyInfo, { requests, tokens }: Account, now: number): Record<string, string> {
  const headers: Record<string, string> = {};
  const { requestsPerMinute, tokensPerMinute } = key.limits;
  for (const [name, limit, window] of [
    ['requests', requestsPerMinute, requests],
    ['tokens', tokensPerMinute, tokens],
  ] as const) {
    if (limit === undefined) continue;
    headers[`x-ratelimit-limit-${name}`] = String(limit);
    headers[`x-ratelimit-remaining-${name}`] = String(Math.max(0, limit - window.used(now)));
    headers[`x-ratelimit-reset-${name}`] = duration(window.until(0, now));
  }
  return headers;
}

/** As OpenAI writes it: 12ms, 3.5s, 1m0s. */
function duration(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 100) / 10;
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${Math.floor(seconds % 60)}s`;
}

function refusal(message: string, waitMs: number | undefined, standing: Record<string, string>): HttpError {
  const wait: Record<string, string> =
    waitMs === undefined ? {} : { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) };
  return new HttpError(429, 'rate_limit_exceeded', message, { headers: { ...standing, ...wait } });
}
