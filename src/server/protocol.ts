/** A dialect that clients speak: its routes, and the shape in which it says what went wrong. */
import type { Context, Hono } from 'hono';
import { Call } from './call.js';
import { HttpError } from './http-error.js';
import type { RouteDoc } from './route-doc.js';
import type { AppEnv, Service } from './service.js';

export interface Protocol {
  readonly name: string;
  /** Beginnings of the paths whose errors have this protocol's shape. */
  readonly prefixes: readonly string[];
  /** Whether a request says that its client speaks this protocol, whatever its path. */
  speaks?(request: Request): boolean;
  /** The routes, for the OpenAPI document. */
  readonly docs: readonly RouteDoc[];
  error(error: HttpError, requestId: string): Response;
  mount(app: Hono<AppEnv>, service: Service): void;
}

/**
 * Who is to answer a request: the protocol that its client says it speaks, or the one with the longest prefix of its
 * path; undefined where there is none.
 */
export function protocolFor(request: Request, path: string, protocols: readonly Protocol[]): Protocol | undefined {
  let found: Protocol | undefined;
  let reach = 0;
  for (const protocol of protocols) {
    if (protocol.speaks?.(request)) return protocol;
    for (const prefix of protocol.prefixes) {
      if (prefix.length > reach && path.startsWith(prefix)) [found, reach] = [protocol, prefix.length];
    }
  }
  return found;
}

/** A route's handler under a call of its own, which ends with the response or with the last byte of its stream. */
export function handle(service: Service, handler: (call: Call, c: Context<AppEnv>) => Promise<Response>) {
  return async (c: Context<AppEnv>): Promise<Response> => {
    const call = new Call(c.req.raw, service, c.get('record'), c.get('key'));
    try {
      const response = await handler(call, c);
      const limits = call.limitHeaders;
      for (const name in limits) response.headers.set(name, limits[name]);
      return response;
    } finally {
      if (!call.streaming) call.end();
    }
  };
}

/** Says which methods `paths` know; to be called after their routes. */
export function refuseOthers(app: Hono<AppEnv>, allow: string, paths: readonly string[]): void {
  for (const path of paths) {
    app.all(path, (c) => {
      const message = `${c.req.method} is not allowed for ${c.req.path}: use ${allow}.`;
      throw new HttpError(405, 'method_not_allowed', message, { headers: { allow } });
    });
  }
}
