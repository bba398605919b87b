/** `/v1/models`: the one model that is served. */

import type { Service } from '../app.js';
import { HttpError } from '../http-error.js';

/** The model's entry, with the context length that clients of other servers look for. */
export function modelEntry({ model, name, created }: Service) {
  return { id: name, object: 'model', created, owned_by: 'kaiwen', max_model_len: model.info.context };
}

/** Throws HttpError 404 unless `asked` is the served model; no name asks for it too. */
export function checkModel({ name }: Service, asked: string | null | undefined): void {
  if (asked === undefined || asked === null || asked === name) return;
  const message = `The model '${asked.slice(0, 200)}' is not served here; this server has '${name}'.`;
  throw new HttpError(404, 'model_not_found', message, { param: 'model' });
}
