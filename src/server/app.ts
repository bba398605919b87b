/**
 * The HTTP application over a server's models: web standards only, so it runs wherever `Request` and `Response` do. This file
 * holds what all protocols share (ids, access, health, last-resort errors); each protocol has its own folder.
 */
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import type { Model } from '../generate/api.js';
import { accessCheck } from './access.js';
import { anthropic } from './anthropic/protocol.js';
import { HttpError, toHttpError } from './http-error.js';
import { type ModelHub, singleModel } from './hub.js';
import { Lifecycle } from './lifecycle.js';
import { openai } from './openai/protocol.js';
import { type Protocol, protocolFor, refuseOthers } from './protocol.js';
import type { AppEnv, Service } from './service.js';
import { Totals } from './stats.js';

/** The first one's shape of errors is that of all paths that belong to none. */
const PROTOCOLS: readonly Protocol[] = [openai, anthropic];

export interface AppOptions {
  /** The name clients know the model by; default its own. */
  name?: string;
  /** Without a key only this machine is answered. */
  apiKey?: string;
  /** Origins of web pages that may call; default none. */
  cors?: readonly string[];
  /** Largest request body in bytes; default 16 MiB. */
  bodyLimit?: number;
  /** Requests that may run or wait at once; default 64. */
  maxRequests?: number;
  /** Largest number of answers that one request may ask for; default 16. */
  maxChoices?: number;
  /** Silence in a stream after which a comment is sent; default 10 s. */
  keepAliveMs?: number;
  lifecycle?: Lifecycle;
  /** One line a request, and what went wrong inside. Holds no text of prompts or answers and no keys. */
  log?: (line: string) => void;
}

/** The server's routes for `models`, which the caller closes. Throws KaiwenError 'usage' if names clash. */
export function createApp(models: Model | ModelHub, options: AppOptions = {}): Hono<AppEnv> {
  const log = options.log ?? (() => {});
  const origins = options.cors ?? [];
  const service: Service = {
    hub: 'list' in models ? models : singleModel(models, options.name),
    bodyLimit: options.bodyLimit ?? 16 << 20,
    maxChoices: options.maxChoices ?? 16,
    keepAliveMs: options.keepAliveMs ?? 10_000,
    lifecycle: options.lifecycle ?? new Lifecycle(options.maxRequests ?? 64),
    totals: new Totals(),
    report: (error) => {
      const { status, cause } = toHttpError(error);
      if (status === 500) log(`error: ${trace(cause)}`);
    },
  };
  const check = accessCheck(options.apiKey, origins);

  const app = new Hono<AppEnv>();
  app.use(async (c, next) => {
    const id = crypto.randomUUID();
    const started = performance.now();
    c.set('requestId', id);
    await next();
    c.header('x-request-id', id);
    const ms = Math.round(performance.now() - started);
    log(`${c.req.method} ${c.req.path} ${c.res.status} ${ms} ms ${id}`);
  });
  if (origins.length > 0) app.use(cors({ origin: [...origins], exposeHeaders: ['x-request-id'] }));

  app.get('/health', (c) => {
    const { draining, running } = service.lifecycle;
    return c.json(
      { status: draining ? 'stopping' : 'ok', model: service.hub.find(null).id, requests: running },
      draining ? 503 : 200,
    );
  });
  app.use(async (c, next) => {
    await check(c.req.raw);
    await next();
  });
  app.get('/stats', (c) => {
    const { admitted, running } = service.lifecycle;
    const { id, info } = service.hub.find(null);
    return c.json(service.totals.report(id, info, { total: admitted, running }));
  });
  refuseOthers(app, 'GET, HEAD', ['/health', '/stats']);
  // The first one's routes come last: others take what is theirs of paths that they share with it.
  for (const protocol of [...PROTOCOLS].reverse()) protocol.mount(app, service);

  const answer = (error: unknown, request: Request, requestId: string): Response =>
    protocolFor(request, PROTOCOLS).error(toHttpError(error), requestId);
  app.notFound((c) => {
    const error = new HttpError(404, 'unknown_url', `Unknown URL: ${c.req.method} ${c.req.path}. See docs/api.md.`);
    return answer(error, c.req.raw, c.get('requestId'));
  });
  app.onError((error, c) => {
    service.report(error);
    return answer(error, c.req.raw, c.get('requestId'));
  });
  return app;
}

/** Where a failure came from, down to the first cause. An engine's causes are the stacks of its worker. */
function trace(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by: ${trace(error.cause)}`;
}
