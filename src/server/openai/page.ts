/** Lists that come in pages, as OpenAI's do: `after` names the last item that the client has. */
import { HttpError } from '../http-error.js';

/** One page of `items`. Throws HttpError 400 on a limit that is not from 1 to `most`. */
export function page<T extends { id: string }>(
  items: readonly T[],
  after: string | undefined,
  limit: string | undefined,
  most: number,
) {
  const size = limit === undefined ? Math.min(most, 10_000) : Number(limit);
  if (!Number.isInteger(size) || size < 1 || size > most) {
    const message = `Invalid 'limit': expected a whole number from 1 to ${most}.`;
    throw new HttpError(400, 'invalid_value', message, { param: 'limit' });
  }
  const start = after === undefined ? 0 : items.findIndex(({ id }) => id === after) + 1;
  if (after !== undefined && start === 0)
    throw new HttpError(400, 'invalid_value', "Invalid 'after': there is no such item.", { param: 'after' });
  const data = items.slice(start, start + size);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: start + size < items.length,
  };
}
