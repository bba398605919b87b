/** DashScope's error shape: `{code, message, request_id}`, with its own names for what is wrong. */
import { toHttpError } from '../http-error.js';

const CODES: Readonly<Record<number, string>> = {
  401: 'InvalidApiKey',
  403: 'AccessDenied',
  404: 'InvalidURL',
  405: 'UnsupportedOperation',
  408: 'RequestTimeOut',
  413: 'BadRequest.TooLarge',
  429: 'Throttling.RateQuota',
  500: 'InternalError',
  503: 'ModelUnavailable',
  504: 'RequestTimeOut',
};

/** What a client has left out, where that has a name of its own. */
const MISSING: Readonly<Record<string, string>> = { model: 'BadRequest.EmptyModel', input: 'BadRequest.EmptyInput' };

/** The shape for any thrown value; also what a stream sends when it breaks off. */
export function errorBody(error: unknown, requestId: string) {
  const { message } = toHttpError(error);
  return { code: codeOf(error), message, request_id: requestId };
}

export function errorResponse(error: unknown, requestId: string): Response {
  const { status, headers } = toHttpError(error);
  return Response.json(errorBody(error, requestId), { status, headers });
}

function codeOf(error: unknown): string {
  const { status, code, param } = toHttpError(error);
  if (code === 'model_not_found') return 'ModelNotFound';
  if (code === 'model_not_allowed') return 'Model.AccessDenied';
  if (code === 'missing_required_parameter') return MISSING[param ?? ''] ?? 'InvalidParameter';
  return CODES[status] ?? (status >= 500 ? 'InternalError' : 'InvalidParameter');
}
