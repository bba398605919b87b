/** Everything that can go wrong while asking, brought to a kind that the page has words for. */
import type { Failure, FailureKind } from '../state/types.js';
import { field, text } from './json.js';

/** Thrown by the client. */
export class AskError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.detail ?? failure.kind);
    this.name = 'AskError';
    this.failure = failure;
  }
}

const BY_CODE: Readonly<Record<string, FailureKind>> = {
  model_not_found: 'noModel',
  context_length_exceeded: 'tooLong',
  request_too_large: 'tooLarge',
  overloaded: 'overloaded',
  server_stopping: 'stopping',
  generation_stopped: 'modelStopped',
  out_of_memory: 'memory',
};

function kindOf(status: number, code: string | undefined): FailureKind {
  if (code !== undefined && Object.hasOwn(BY_CODE, code)) return BY_CODE[code];
  if (status === 401) return 'key';
  if (status === 403) return 'forbidden';
  if (status === 413) return 'tooLarge';
  if (status === 429) return 'limited';
  if (status === 503) return 'overloaded';
  return status >= 400 && status < 500 ? 'refused' : 'server';
}

/** From an error body in OpenAI's shape. `status` 0: it came within a stream. */
export function failureFrom(body: unknown, status: number, retryAfter?: string | null): Failure {
  const error = field(body, 'error');
  const code = text(field(error, 'code'));
  const kind = status === 0 && kindOf(0, code) === 'server' ? 'modelStopped' : kindOf(status, code);
  const detail = text(field(error, 'message'));
  const seconds = Number(retryAfter);
  return {
    kind,
    ...(detail ? { detail } : {}),
    ...(retryAfter && Number.isFinite(seconds) && seconds >= 0 ? { retryAfter: Math.ceil(seconds) } : {}),
  };
}
