/**
 * The HTTP application over one model: web standards only, so it runs wherever `Request` and `Response` do. This file
 * holds what all protocols share (ids, access, health, last-resort errors); each protocol has its own folder.
 */
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { KaiwenError } from '../errors.js';
import type { Model } from '../generate/api.js';
import { accessCheck } from './access.js';
import { HttpError, toHttpError } from './http-error.js';
import { Lifecycle } from './lifecycle.js';
import { errorResponse } from './openai/errors.js';
import { openaiRoutes } from './openai/routes.js';
import { Totals } from './stats.js';

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

/** What a protocol's routes stand on. */
export interface Service {
  model: Model;
  name: string;
  /** Unix seconds. */
  created: number;
  bodyLimit: number;
  maxChoices: number;
  keepAliveMs: number;
  lifecycle: Lifecycle;
  totals: Totals;
  /** Writes down a failure that no client caused. */
  report: (error: unknown) => void;
}

export type AppEnv = { Variables: { requestId: string } };

/** The server's routes for `model`, which the caller closes. Throws KaiwenError 'usage' if names clash. */
export function createApp(model: Model, options: AppOptions = {}): Hono<AppEnv> {
  const log = options.log ?? (() => {});
  const origins = options.cors ?? [];
  const name = options.name ?? model.name;
  if (model.info.adapters.some((adapter) => adapter.name === name)) {
    throw new KaiwenError('usage', `The model and an adapter are both called "${name}".`, {
      remedy: 'Give one of them another name.',
    });
  }
  const service: Service = {
    model,
    name,
    created: Math.floor(Date.now() / 1000),
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
      { status: draining ? 'stopping' : 'ok', model: service.name, requests: running },
      draining ? 503 : 200,
    );
  });
  for (const path of ['/v1/*', '/stats']) {
    app.use(path, async (c, next) => {
      await check(c.req.raw);
      await next();
    });
  }
  app.get('/stats', (c) => {
    const { admitted, running } = service.lifecycle;
    return c.json(service.totals.report(service.name, model.info, { total: admitted, running }));
  });
  app.route('/v1', openaiRoutes(service));
  for (const path of ['/health', '/stats']) {
    app.all(path, () => {
      throw new HttpError(405, 'method_not_allowed', `Use GET for ${path}.`, { headers: { allow: 'GET, HEAD' } });
    });
  }
  app.notFound((c) =>
    errorResponse(new HttpError(404, 'unknown_url', `Unknown URL: ${c.req.method} ${c.req.path}. See docs/api.md.`)),
  );
  app.onError((error) => {
    service.report(error);
    return errorResponse(error);
  });
  return app;
}

/** Where a failure came from, down to the first cause. An engine's causes are the stacks of its worker. */
function trace(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by: ${trace(error.cause)}`;
}
