/** Anthropic's error shape: `{type: 'error', error: {type, message}, request_id}`. */
import { toHttpError } from '../http-error.js';

const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  408: 'timeout_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

/** A client that hears this sends the whole conversation instead. */
export const NO_THREADS = 'thread_unsupported_request';

/** The shape for any thrown value; also what a stream sends when it breaks off. */
export function errorBody(error: unknown, requestId: string) {
  const { code, message } = toHttpError(error);
  const status = statusOf(error);
  const type = TYPES[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
  const details = code === NO_THREADS && { details: { error_code: code } };
  return { type: 'error', error: { type, message, ...details }, request_id: requestId };
}

export function errorResponse(error: unknown, requestId: string): Response {
  const headers = { ...toHttpError(error).headers, 'request-id': requestId };
  return Response.json(errorBody(error, requestId), { status: statusOf(error), headers });
}

/** A server that is full has a status of its own. */
function statusOf(error: unknown): number {
  const { status, code } = toHttpError(error);
  return code === 'overloaded' ? 529 : status;
}
