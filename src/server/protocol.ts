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
  readonly docs?: readonly RouteDoc[];
  error(error: HttpError, requestId: string): Response;
  mount(app: Hono<AppEnv>, service: Service): void;
}

/** Whose shape an error of `request` has: the protocol its client says it speaks, or the one whose path it is, or the first. */
export function protocolFor(request: Request, protocols: readonly Protocol[]): Protocol {
  const { pathname } = new URL(request.url);
  const reach = ({ prefixes }: Protocol): number =>
    Math.max(0, ...prefixes.map((prefix) => (pathname.startsWith(prefix) ? prefix.length : 0)));
  const said = protocols.find((protocol) => protocol.speaks?.(request));
  return said ?? protocols.reduce((best, protocol) => (reach(protocol) > reach(best) ? protocol : best));
}

/** A route's handler under a call of its own, which ends with the response or with the last byte of its stream. */
export function handle(service: Service, handler: (call: Call, c: Context<AppEnv>) => Promise<Response>) {
  return async (c: Context<AppEnv>): Promise<Response> => {
    const call = new Call(c.get('requestId'), c.req.raw, service);
    try {
      return await handler(call, c);
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
