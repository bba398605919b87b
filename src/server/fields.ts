/**
 * What the schemas of all routes are made of: lists that stop at the first wrong item, the checks of a whole body, and
 * the error that names the first field that is wrong. Null is the same as absent everywhere.
 */
import { z } from 'zod';
import { HttpError } from './http-error.js';

export type Fields = Readonly<Record<string, unknown>>;

/** Field to [whether this value of it is refused, why]. Null and absent values never are. */
export type Refusals = Readonly<
  Record<string, readonly [test: (value: unknown, body: Fields) => boolean, why: string]>
>;

/** Items of any list: reading millions of them, and what follows from them, would keep everybody waiting. */
const MOST_ITEMS = 10_000;

/** An array read up to its first wrong item: a body of millions of them would make millions of complaints. */
export function list<T>(item: z.ZodType<T>, error: string) {
  const few = z.array(z.unknown(), error).max(MOST_ITEMS, `expected at most ${MOST_ITEMS} items`);
  return few.transform((items, context): T[] => {
    const read: T[] = [];
    for (const [index, value] of items.entries()) {
      const result = item.safeParse(value);
      if (!result.success) {
        const issue = result.error.issues[0];
        context.issues.push({ ...issue, input: value, path: [index, ...issue.path] } as z.core.$ZodRawIssue);
        return z.NEVER;
      }
      read.push(result.data);
    }
    return read;
  });
}

/** A JSON object, handed on as it came. */
export const jsonObject = z.custom<{ [key: string]: unknown }>(isObject, 'expected an object');

export function isObject(value: unknown): value is { [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value asks for anything at all. */
export const nonEmpty = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== '' && value !== false;

/** Reads a body. Throws HttpError 400 whose `param` names the first field that is wrong or refused. */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown, refused: Refusals = {}): T {
  if (!isObject(body)) throw new HttpError(400, 'invalid_type', 'The request body must be a JSON object.');
  refuse(body, refused);
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw invalid(result.error.issues[0], body);
}

/** Throws HttpError 400 for the first field of `body` that is refused. `at`: where it stands in the request. */
export function refuse(body: Fields, refused: Refusals, at = ''): void {
  for (const [field, [test, why]] of Object.entries(refused)) {
    const value = Object.hasOwn(body, field) ? body[field] : undefined;
    if (value === undefined || value === null || !test(value, body)) continue;
    const param = `${at}${field}`;
    throw new HttpError(400, 'unsupported_parameter', `'${param}': ${why} by this server.`, { param });
  }
}

/** 400 for one field whose value cannot be used. */
export function invalidValue(param: string, reason: string): HttpError {
  return new HttpError(400, 'invalid_value', `Invalid '${param}': ${reason}.`, { param });
}

function invalid(issue: z.core.$ZodIssue, body: Fields): HttpError {
  const param = issue.path
    .reduce<string>(
      (path, key) => (typeof key === 'number' ? `${path}[${key}]` : path ? `${path}.${String(key)}` : String(key)),
      '',
    )
    .slice(0, 200);
  if (issue.path.length === 1 && !Object.hasOwn(body, issue.path[0]))
    return new HttpError(400, 'missing_required_parameter', `'${param}' is required.`, { param });
  const code = issue.code === 'invalid_type' ? 'invalid_type' : 'invalid_value';
  const reason = issue.message.replace(/^Invalid (input|option): /, '');
  return new HttpError(400, code, `Invalid '${param}': ${reason}.`, { param });
}
