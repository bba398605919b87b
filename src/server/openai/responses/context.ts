/** What a new response goes on from: the items of the request, those it refers to, and those of the responses before. */
import { HttpError } from '../../http-error.js';
import { type Item, responseOf } from './items.js';
import { type InputItem, storedItem } from './schema.js';
import type { ResponseStore } from './store.js';

/**
 * Items with ids of response `id`; references become the items they mean. What they bring in, and what is read for it,
 * are bounded: a short reference may stand for much. Throws HttpError 404 for unknown ones, 400 for too much.
 */
export async function resolveInput(
  given: readonly InputItem[],
  id: string,
  store: ResponseStore,
  owner: string | null,
  mostBytes: number,
): Promise<Item[]> {
  const items: Item[] = [];
  const known = new Map<string, Map<string, Item>>();
  let bytes = 0;
  for (const [index, item] of given.entries()) {
    if (item.type !== 'item_reference') {
      items.push(storedItem(item, id, index));
      continue;
    }
    const response = responseOf(item.id) ?? '';
    let own = known.get(response);
    if (!own) {
      const stored = await store.get(response, owner);
      bytes += store.size(response);
      own = new Map([...(stored?.input ?? []), ...(stored?.output ?? [])].map((one) => [one.id, one]));
      known.set(response, own);
    }
    const found = own.get(item.id);
    if (!found) throw itemNotFound(item.id, index);
    bytes += JSON.stringify(found).length;
    if (bytes > mostBytes) throw tooMuch('input');
    items.push(found);
  }
  return items;
}

/** All items of the responses before, oldest first. Throws HttpError 400 where one is gone. */
export async function earlierItems(
  previous: string | null | undefined,
  store: ResponseStore,
  owner: string | null,
  mostBytes: number,
): Promise<Item[]> {
  const turns: Item[][] = [];
  let bytes = 0;
  for (let id = previous; id; ) {
    const stored = await store.get(id, owner);
    if (!stored) throw notFound(id, 400, 'previous_response_not_found', 'previous_response_id');
    bytes += store.size(id);
    if (bytes > mostBytes) throw tooMuch('previous_response_id');
    turns.push([...stored.input, ...stored.output]);
    id = stored.response.previous_response_id;
  }
  return turns.reverse().flat();
}

function tooMuch(param: string): HttpError {
  return new HttpError(400, 'context_length_exceeded', 'The conversation is too long to go on from.', { param });
}

function itemNotFound(id: string, index: number): HttpError {
  const message = `There is no item '${id.slice(0, 200)}'; only items of stored responses can be referred to.`;
  return new HttpError(404, 'item_not_found', message, { param: `input[${index}].id` });
}

export function notFound(id: string, status = 404, code = 'response_not_found', param = 'response_id'): HttpError {
  const message = `There is no response '${id.slice(0, 200)}': it was not stored, or is no longer.`;
  return new HttpError(status, code, message, { param });
}
