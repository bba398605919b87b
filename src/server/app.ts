/**
 * The HTTP application over a server's models, from `Request` to `Response`. This file holds what all protocols share
 * (ids, access, health, records, last-resort errors); each protocol has its own folder.
 */
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Context, Hono } from 'hono';
import { cors } from 'hono/cors';
import { matchedRoutes } from 'hono/route';
import type { Model } from '../generate/api.js';
import { accessCheck } from './access.js';
import { anthropic } from './anthropic/protocol.js';
import { dashscope } from './dashscope/protocol.js';
import { HttpError, toHttpError } from './http-error.js';
import { type ModelHub, singleModel } from './hub.js';
import { type KeyInfo, type KeyStore, singleKey } from './keys.js';
import { Lifecycle } from './lifecycle.js';
import { type Limiter, LocalLimiter } from './limits.js';
import { type Log, silentLog } from './logs.js';
import { Metrics } from './metrics.js';
import { ollama } from './ollama/protocol.js';
import { openai } from './openai/protocol.js';
import { mountOpenApi } from './openapi.js';
import { mountPage } from './page.js';
import { type Protocol, protocolFor, refuseOthers } from './protocol.js';
import { type Observer, RequestRecord } from './record.js';
import type { AppEnv, Service } from './service.js';
import { Totals } from './stats.js';

/** The first one's shape of errors is that of all paths that belong to none. */
const PROTOCOLS: readonly Protocol[] = [openai, anthropic, dashscope, ollama];

/** Headers that web pages of other origins may read. */
const EXPOSED = [
  'x-request-id',
  'retry-after',
  ...['limit', 'remaining', 'reset'].flatMap((what) => [`x-ratelimit-${what}-requests`, `x-ratelimit-${what}-tokens`]),
];

export interface AppOptions {
  /** The name clients know the model by; default its own. */
  name?: string;
  /** Who may call. Without keys only this machine is answered. */
  keys?: KeyStore;
  /** Shorthand for one key without limits. */
  apiKey?: string;
  /** Default: limits within this process. */
  limiter?: Limiter;
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
  /** How long a request may take, in milliseconds; default 10 minutes. */
  timeoutMs?: number;
  /** Folder for files, batches and stored responses; made when needed. Default: `kaiwen` in the system's for temporary files. */
  data?: string;
  lifecycle?: Lifecycle;
  /** Default: none. */
  log?: Log;
  /** Others that hear of requests, such as a tracer. */
  observers?: readonly Observer[];
  /** Whether the log tells what was asked and answered. Default false. */
  logText?: boolean;
}

/** The server's routes for `models`, which the caller closes. Throws KaiwenError 'usage' if names clash. */
export function createApp(models: Model | ModelHub, options: AppOptions = {}): Hono<AppEnv> {
  const log = options.log ?? silentLog;
  const origins = options.cors ?? [];
  const keys = options.keys ?? (options.apiKey === undefined ? undefined : singleKey(options.apiKey));
  /** Requests of the server itself, and in whose name they come. */
  const inner = new WeakMap<Request, KeyInfo | undefined>();
  const hub = 'list' in models ? models : singleModel(models, options.name);
  const lifecycle = options.lifecycle ?? new Lifecycle(options.maxRequests ?? 64);
  const metrics = new Metrics(hub, lifecycle);
  const service: Service = {
    hub,
    bodyLimit: options.bodyLimit ?? 16 << 20,
    maxChoices: options.maxChoices ?? 16,
    keepAliveMs: options.keepAliveMs ?? 10_000,
    timeoutMs: options.timeoutMs ?? 600_000,
    data: resolve(options.data ?? join(tmpdir(), 'kaiwen')),
    lifecycle,
    limiter: options.limiter ?? new LocalLimiter(),
    totals: new Totals(),
    observer: together([log, metrics, ...(options.observers ?? [])]),
    logText: options.logText ?? false,
    dispatch: async (request, owner) => {
      const key = owner === undefined ? undefined : await keys?.find(owner);
      if (owner !== undefined && !key) {
        return PROTOCOLS[0].error(new HttpError(401, 'invalid_api_key', 'The API key of this work is no more.'), '');
      }
      inner.set(request, key);
      return app.fetch(request);
    },
    report: (error) => {
      if (toHttpError(error).status === 500) log.fault(error);
    },
  };
  const check = accessCheck(keys, origins);

  const app = new Hono<AppEnv>();
  app.use(async (c, next) => {
    const { path } = c.req;
    const record = new RequestRecord(crypto.randomUUID(), c.req.method, path, c.req.header('traceparent') ?? null);
    c.set('requestId', record.id);
    c.set('record', record);
    record.route = matchedRoutes(c).at(-1)?.path ?? '';
    record.protocol = protocolFor(c.req.raw, path, PROTOCOLS)?.name ?? '';
    await next();
    c.res.headers.set('x-request-id', record.id);
    if (record.streaming) return;
    record.status = c.res.status;
    record.ended = performance.now();
    service.observer.requestEnded(record);
  });
  if (origins.length > 0) app.use(cors({ origin: [...origins], exposeHeaders: EXPOSED }));

  app.get('/health', (c) => {
    const { draining, running } = service.lifecycle;
    return c.json(
      { status: draining ? 'stopping' : 'ok', model: service.hub.find(null).id, requests: running },
      draining ? 503 : 200,
    );
  });
  app.get('/ready', (c) => {
    const { missing } = hub;
    const ready = missing.length === 0 && !lifecycle.draining;
    return c.json(
      { status: ready ? 'ready' : lifecycle.draining ? 'stopping' : 'loading', missing },
      ready ? 200 : 503,
    );
  });
  // Before the check: the page itself asks for the key.
  mountPage(app);
  mountOpenApi(app, PROTOCOLS);
  app.use(async (c, next) => {
    const isInner = inner.has(c.req.raw);
    const key = isInner ? inner.get(c.req.raw) : await check(c.req.raw);
    c.set('key', key);
    c.get('record').isInner = isInner;
    c.get('record').key = key?.id;
    await next();
  });
  app.get('/stats', (c) => {
    const { admitted, running } = service.lifecycle;
    const { id, info } = service.hub.find(null);
    return c.json(service.totals.report(id, info, { total: admitted, running }));
  });
  app.get('/metrics', async (c) => c.text(await metrics.text(), 200, { 'content-type': metrics.contentType }));
  refuseOthers(app, 'GET, HEAD', ['/health', '/ready', '/stats', '/metrics', '/openapi.json', '/docs']);
  // The first one's routes come last: others take what is theirs of paths that they share with it.
  for (const protocol of [...PROTOCOLS].reverse()) protocol.mount(app, service);

  const answer = (thrown: unknown, c: Context<AppEnv>): Response => {
    const error = toHttpError(thrown);
    c.get('record').error = error.code;
    return (protocolFor(c.req.raw, c.req.path, PROTOCOLS) ?? PROTOCOLS[0]).error(error, c.get('requestId'));
  };
  app.notFound((c) =>
    answer(new HttpError(404, 'unknown_url', `Unknown URL: ${c.req.method} ${c.req.path}. See /docs.`), c),
  );
  app.onError((error, c) => {
    service.report(error);
    return answer(error, c);
  });
  return app;
}

/** One observer that tells several. */
function together(observers: readonly Observer[]): Required<Observer> {
  const hearers = observers.filter(({ piece }) => piece);
  return {
    requestEnded(record) {
      for (const observer of observers) observer.requestEnded(record);
    },
    piece(ms) {
      for (const observer of hearers) observer.piece!(ms);
    },
  };
}
