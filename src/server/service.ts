/** What every protocol stands on: one server's models, limits and books. */

import type { ModelHub } from './hub.js';
import type { Lifecycle } from './lifecycle.js';
import type { Totals } from './stats.js';

export interface Service {
  readonly hub: ModelHub;
  /** Largest request body in bytes. */
  readonly bodyLimit: number;
  /** Largest number of answers that one request may ask for. */
  readonly maxChoices: number;
  /** Silence in a stream after which something is sent that clients skip. */
  readonly keepAliveMs: number;
  readonly lifecycle: Lifecycle;
  readonly totals: Totals;
  /** Writes down a failure that no client caused. */
  readonly report: (error: unknown) => void;
}

/** What the application knows of a request before a protocol sees it. */
export type AppEnv = { Variables: { requestId: string } };
