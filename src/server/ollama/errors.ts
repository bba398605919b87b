/** Ollama's error shape: `{error: message}`. */
import { toHttpError } from '../http-error.js';

/** The shape for any thrown value; also what a stream sends when it breaks off. */
export function errorBody(error: unknown): { error: string } {
  return { error: toHttpError(error).message };
}

export function errorResponse(error: unknown): Response {
  const { status, headers } = toHttpError(error);
  return Response.json(errorBody(error), { status, headers });
}
