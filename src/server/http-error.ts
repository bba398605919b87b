/**
 * What went wrong with a request, in no protocol's words: each protocol's folder turns it into that protocol's
 * error shape. Faults of ours never carry their message to a client; they go to the log.
 */
import { type ErrorCode, KaiwenError } from '../errors.js';

export interface HttpErrorOptions {
  /** The request's field that is wrong, as a path: `messages[0].content`. */
  param?: string;
  headers?: Record<string, string>;
  cause?: unknown;
}

export class HttpError extends Error {
  readonly status: number;
  /** A stable name for programs: `model_not_found`. */
  readonly code: string;
  readonly param?: string;
  readonly headers: Record<string, string>;

  constructor(status: number, code: string, message: string, options: HttpErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'HttpError';
    this.status = status;
    this.code = code;
    this.param = options.param;
    this.headers = options.headers ?? {};
  }
}

const statusOf: Record<ErrorCode, { status: number; code: string }> = {
  usage: { status: 400, code: 'invalid_value' },
  bad_input: { status: 400, code: 'invalid_value' },
  unsupported: { status: 400, code: 'unsupported_value' },
  context_overflow: { status: 400, code: 'context_length_exceeded' },
  not_found: { status: 404, code: 'not_found' },
  aborted: { status: 499, code: 'request_cancelled' },
  out_of_memory: { status: 503, code: 'out_of_memory' },
  closed: { status: 503, code: 'server_stopping' },
  engine_failed: { status: 503, code: 'engine_failed' },
  bad_file: { status: 500, code: 'model_file_error' },
  io: { status: 500, code: 'io_error' },
  internal: { status: 500, code: 'internal_error' },
};

/** Any thrown value as an HttpError; what is not a known kind of failure becomes a plain 500. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof KaiwenError) {
    const { status, code } = statusOf[error.code];
    const message = [error.message, error.remedy ?? ''].filter(Boolean).map(sentence).join(' ');
    const headers = error.code === 'engine_failed' ? { 'retry-after': '2' } : undefined;
    if (status !== 500) return new HttpError(status, code, message, { cause: error, headers });
    return new HttpError(status, code, 'The model failed to answer; the server log says why.', { cause: error });
  }
  return new HttpError(500, 'internal_error', 'The server failed; its log says why.', { cause: error });
}

function sentence(text: string): string {
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}
