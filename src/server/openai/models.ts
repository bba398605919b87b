/** `/v1/models`: the model that is served, and its adapters, each as a model of its own. */

import type { Service } from '../app.js';
import { HttpError } from '../http-error.js';

/** What a request's `model` field asks for. */
export interface Served {
  /** As clients know it. */
  name: string;
  /** The adapter's name in the engine; absent: the model as it is. */
  adapter?: string;
}

/** All that can be asked for, the model itself first. */
export function servedModels({ model, name }: Service): Served[] {
  return [{ name }, ...model.info.adapters.map((adapter) => ({ name: adapter.name, adapter: adapter.name }))];
}

/** An entry of the list, with the context length and, for an adapter, the parent that clients of other servers look for. */
export function modelEntry({ model, name: base, created }: Service, { name, adapter }: Served) {
  const entry = { id: name, object: 'model', created, owned_by: 'kaiwen', max_model_len: model.info.context };
  return adapter === undefined ? entry : { ...entry, root: adapter, parent: base };
}

/** What `asked` names; no name asks for the model itself. Throws HttpError 404 for what is not served. */
export function findModel(service: Service, asked: string | null | undefined): Served {
  const served = servedModels(service);
  const found = asked === undefined || asked === null ? served[0] : served.find(({ name }) => name === asked);
  if (found) return found;
  const names = served.map(({ name }) => `'${name}'`).join(', ');
  const message = `The model '${asked!.slice(0, 200)}' is not served here; this server has ${names}.`;
  throw new HttpError(404, 'model_not_found', message, { param: 'model' });
}
