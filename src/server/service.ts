/** What every protocol stands on: one server's models, limits and books. */
import type { ModelHub } from './hub.js';
import type { KeyInfo } from './keys.js';
import type { Lifecycle } from './lifecycle.js';
import type { Limiter } from './limits.js';
import type { Observer, RequestRecord } from './record.js';
import type { Totals } from './stats.js';

export interface Service {
  readonly hub: ModelHub;
  /** Largest request body in bytes. */
  readonly bodyLimit: number;
  /** Largest number of answers that one request may ask for. */
  readonly maxChoices: number;
  /** Silence in a stream after which something is sent that clients skip. */
  readonly keepAliveMs: number;
  /** How long a request may take; then its answer ends where it is. */
  readonly timeoutMs: number;
  /** Absolute path of the folder for files, batches and stored responses, each in one of its own; made when needed. */
  readonly data: string;
  readonly lifecycle: Lifecycle;
  readonly limiter: Limiter;
  readonly totals: Totals;
  readonly observer: Required<Observer>;
  /** Whether records hold what was asked and answered. */
  readonly logText: boolean;
  /**
   * Answers a request that comes from within, in the name of the key `owner` where there is one, at its limits and in
   * turns of its own.
   */
  readonly dispatch: (request: Request, owner: string | undefined) => Promise<Response>;
  /** Writes down a failure that no client caused. */
  readonly report: (error: unknown) => void;
}

/** What the application knows of a request before a protocol sees it. */
export type AppEnv = {
  Variables: {
    requestId: string;
    record: RequestRecord;
    /** Whose request it is; undefined where the server has no keys. */
    key?: KeyInfo;
  };
};
