/** The server's log: a line for each request, what goes wrong inside, and what the operator should know. */
import { toHttpError } from './http-error.js';
import type { Observer, RequestRecord } from './record.js';

export interface Log extends Observer {
  /** A failure that no client caused. */
  fault(error: unknown): void;
  note(message: string): void;
}

export const silentLog: Log = { requestEnded() {}, fault() {}, note() {} };

/** Lines for people. `quiet`: only what went wrong. */
export function textLog(write: (line: string) => void, quiet = false): Log {
  return {
    requestEnded(record) {
      if (quiet) return;
      const { method, path, status, id, key, error } = record;
      const { prompt, completion } = tokensOf(record);
      const more = [
        ...(key === undefined ? [] : [`key=${key}`]),
        ...(record.answers.length > 0 ? [`tokens=${prompt}+${completion}`] : []),
        ...(error === undefined ? [] : [error]),
      ];
      write([method, safe(path), status, `${Math.round(record.ms)} ms`, id, ...more].join(' '));
      const text = textOf(record);
      if (text) write(`${id} ${JSON.stringify(text)}`);
    },
    fault: (error) => write(`error: ${trace(error)}`),
    note: (message) => {
      if (!quiet) write(message);
    },
  };
}

/** The part of a pino logger that is used here. */
export interface JsonLogger {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Lines of JSON for programs. `quiet`: only what went wrong. */
export function jsonLog(logger: JsonLogger, quiet = false): Log {
  return {
    requestEnded(record) {
      if (quiet) return;
      const { id, method, path, route, protocol, status, key, error } = record;
      const { prompt, cached, completion } = tokensOf(record);
      const [answer] = record.answers;
      const fields = {
        request_id: id,
        method,
        path,
        route,
        protocol,
        status,
        ms: round(record.ms),
        key,
        error,
        ...(answer && {
          model: answer.model,
          prompt_tokens: prompt,
          cached_tokens: cached,
          completion_tokens: completion,
          first_ms: answer.firstAt === undefined ? undefined : round(answer.firstAt - record.started),
          finish: answer.reason,
        }),
        ...textOf(record),
      };
      logger.info(fields, 'request');
    },
    fault: (error) => logger.error({ error: trace(error) }, 'fault'),
    note: (message) => {
      if (!quiet) logger.info({}, message);
    },
  };
}

/** Tokens of all answers of a request. Where an answer was cut off, as many as were seen. */
export function tokensOf({ answers }: RequestRecord): { prompt: number; cached: number; completion: number } {
  const sum = { prompt: 0, cached: 0, completion: 0 };
  for (const { stats, pieces } of answers) {
    sum.prompt += stats?.promptTokens ?? 0;
    sum.cached += stats?.cachedTokens ?? 0;
    sum.completion += stats?.completionTokens ?? pieces;
  }
  return sum;
}

/** What was asked and answered, where the server keeps it. */
function textOf({ body, answers }: RequestRecord): { body?: unknown; answers?: string[] } | undefined {
  return body === undefined ? undefined : { body, answers: answers.map(({ text }) => text ?? '') };
}

/** Where a failure came from, down to the first cause. An engine's causes are the stacks of its worker. */
function trace(error: unknown): string {
  const cause = toHttpError(error).cause ?? error;
  return stacks(cause);
}

function stacks(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by: ${stacks(error.cause)}`;
}

/** A path on one line of a terminal, of bearable length. */
function safe(path: string): string {
  return path.replace(/[^\x21-\x7e]+/g, '?').slice(0, 500);
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
