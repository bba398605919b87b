/** OpenAI's error shape: `{error: {message, type, param, code}}`. */
import { toHttpError } from '../http-error.js';

export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string };
}

/** The shape for any thrown value; also what a stream sends when it breaks off. */
export function errorBody(error: unknown): ErrorBody {
  const { status, message, param, code } = toHttpError(error);
  const type = status >= 500 ? 'server_error' : status === 429 ? 'rate_limit_error' : 'invalid_request_error';
  return { error: { message, type, param: param ?? null, code } };
}

export function errorResponse(error: unknown): Response {
  const { status, headers } = toHttpError(error);
  return Response.json(errorBody(error), { status, headers });
}
