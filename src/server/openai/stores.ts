/** Where a server keeps what outlives a request: one of each, however many paths lead to it. */
import { join } from 'node:path';
import type { Context } from 'hono';
import type { AppEnv, Service } from '../service.js';
import { ResponseStore } from './responses/store.js';

const responses = new WeakMap<Service, ResponseStore>();

/** The stored responses of this server. */
export function responseStore(service: Service): ResponseStore {
  const store = responses.get(service) ?? new ResponseStore({ folder: join(service.data, 'responses') });
  responses.set(service, store);
  return store;
}

/** Whose stored objects a request may see; null where the server has no keys. */
export function ownerOf(c: Context<AppEnv>): string | null {
  return c.get('key')?.id ?? null;
}
