/** The application on a Node HTTP server: where it listens, and how it stops without cutting anybody off. */
import { createServer, type Server, type ServerOptions, STATUS_CODES } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { KaiwenError } from '../errors.js';
import type { Model } from '../generate/api.js';
import { isLoopback } from './access.js';
import { type AppOptions, createApp } from './app.js';
import { HttpError } from './http-error.js';
import type { ModelHub } from './hub.js';
import { Lifecycle } from './lifecycle.js';
import { errorBody, errorResponse } from './openai/errors.js';
import { readTls, type TlsFiles } from './tls.js';

export interface ListenOptions extends Omit<AppOptions, 'lifecycle'> {
  /** Default 127.0.0.1. Any host that other machines reach needs an API key. */
  host?: string;
  /** Default 8080; 0 takes a free one. */
  port?: number;
  /** Speak HTTPS with this certificate. */
  tls?: TlsFiles;
}

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  /** Requests that run or wait. */
  readonly running: number;
  /** Stops accepting, lets running answers finish for `limitMs` (default 30 s), breaks off the rest. Models stay open. */
  close(limitMs?: number): Promise<void>;
  /** Reads the certificate again, for connections to come. Throws as `listen` does, and keeps the one before. */
  reload(): void;
}

/** Bounds on what a connection may cost before the application sees a request. */
const LIMITS: ServerOptions = {
  maxHeaderSize: 16 << 10,
  /** For headers, from the connection's first moment, and for the whole request. */
  headersTimeout: 20_000,
  requestTimeout: 300_000,
  /** Between requests of a connection. */
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
};
const MAX_CONNECTIONS = 8192;

/** Serves `models` until closed. Throws KaiwenError 'usage' (open to others without a key) and 'io' (no such address). */
export async function listen(models: Model | ModelHub, options: ListenOptions = {}): Promise<RunningServer> {
  const { host = '127.0.0.1', port = 8080, maxRequests = 64 } = options;
  if (options.apiKey !== undefined && !/^[\x21-\x7e]+$/.test(options.apiKey))
    throw new KaiwenError('usage', 'the API key must be printable ASCII without spaces, and not empty.');
  if (options.apiKey === undefined && !options.keys && !isLoopback(host))
    throw new KaiwenError('usage', `other machines could reach ${host}, and no API key is set.`, {
      remedy: 'Set KAIWEN_API_KEY, --api-key or --keys, or keep to 127.0.0.1.',
    });
  const lifecycle = new Lifecycle(maxRequests);
  const app = createApp(models, { ...options, lifecycle });
  const { tls } = options;
  const listener = getRequestListener(app.fetch, {
    hostname: '127.0.0.1',
    overrideGlobalObjects: false,
    errorHandler: (cause) =>
      errorResponse(new HttpError(400, 'bad_request', 'The URL or the Host header is not valid.', { cause })),
  });
  const server = tls ? createTlsServer({ ...LIMITS, ...readTls(tls) }, listener) : createServer(LIMITS, listener);
  server.maxConnections = MAX_CONNECTIONS;
  server.on('clientError', answerBadHttp);
  const silent = trackSilent(server);
  await bind(server, host, port);
  const address = server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return {
    url: `http${tls ? 's' : ''}://${name}:${address.port}`,
    port: address.port,
    get running() {
      return lifecycle.running;
    },
    close: (limitMs = 30_000) => stop(server, silent, lifecycle, limitMs),
    reload() {
      if (tls) (server as TlsServer).setSecureContext(readTls(tls));
    },
  };
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reasons: Record<string, [string, string]> = {
        EADDRINUSE: ['the port is in use', 'Choose another with --port.'],
        EACCES: ['this user may not use the port', 'Choose one above 1023 with --port.'],
        EADDRNOTAVAIL: ['this machine has no such address', 'Choose another with --host.'],
        ENOTFOUND: ['there is no such host', 'Choose another with --host.'],
      };
      const [reason, remedy] = reasons[cause.code ?? ''] ?? [cause.message, 'Choose another with --host and --port.'];
      reject(new KaiwenError('io', `cannot listen on ${host} port ${port}: ${reason}.`, { remedy, cause }));
    });
    server.listen({ host, port }, resolve);
  });
}

/** How long the last bytes of broken-off answers may take to leave. */
const FLUSH_MS = 2_000;

/** Connections on which no request has come yet: Node does not count them as idle. By the address of their other end. */
function trackSilent(server: Server): Map<string, Socket> {
  const silent = new Map<string, Socket>();
  const nameOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`;
  server.on('connection', (socket) => {
    const name = nameOf(socket);
    silent.set(name, socket);
    socket.once('close', () => silent.delete(name));
  });
  // With TLS the request's socket is not the connection's.
  server.on('request', ({ socket }) => silent.delete(nameOf(socket)));
  return silent;
}

async function stop(server: Server, silent: Map<string, Socket>, lifecycle: Lifecycle, limitMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  await lifecycle.drain(limitMs);
  for (const socket of silent.values()) socket.destroy();
  // A connection that is kept alive falls idle only once its last answer has left.
  const sweep = setInterval(() => server.closeIdleConnections(), 20);
  const cut = setTimeout(() => server.closeAllConnections(), FLUSH_MS);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}

/** What is no HTTP request never reaches the application; it is answered in the same shape all the same. */
function answerBadHttp(cause: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || cause.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const known: Record<string, HttpError> = {
    HPE_HEADER_OVERFLOW: new HttpError(431, 'headers_too_large', 'The request headers are too large.'),
    ERR_HTTP_REQUEST_TIMEOUT: new HttpError(408, 'request_timeout', 'The request took too long to arrive.'),
  };
  const error = known[cause.code ?? ''] ?? new HttpError(400, 'bad_request', 'This is not a valid HTTP request.');
  const body = JSON.stringify(errorBody(error));
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
