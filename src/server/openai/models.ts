/** `/v1/models`: what is served. */
import type { ServedModel } from '../hub.js';

/** An entry of the list, with the context length and, for an adapter, the parent that clients of other servers look for. */
export function modelEntry({ id, created, parent, info }: ServedModel) {
  const entry = { id, object: 'model', created, owned_by: 'kaiwen', ...(info && { max_model_len: info.context }) };
  return parent === undefined ? entry : { ...entry, root: id, parent };
}
