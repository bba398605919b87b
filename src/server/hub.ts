/**
 * The models of a server by the names that clients know: a model as it is, and each of its adapters as a model of its
 * own. Who answers a request holds a lease on its model, which is not unloaded meanwhile.
 */
import { KaiwenError } from '../errors.js';
import type { Model } from '../generate/api.js';
import type { EngineInfo } from '../generate/engine.js';
import { HttpError } from './http-error.js';

/** An entry of the list of models. */
export interface ServedModel {
  /** As clients know it. */
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  /** Of an adapter: the model that it changes. */
  readonly parent?: string;
  readonly path: string;
  readonly loaded: boolean;
  /** Known once it has been loaded. */
  readonly info?: EngineInfo;
  readonly canThink?: boolean;
  /** While it is loaded. Only to look at: who wants answers opens it. */
  readonly model?: Model;
}

export interface Lease extends Disposable {
  /** The served name, which answers repeat. */
  readonly id: string;
  readonly model: Model;
  /** The adapter's name in the engine; absent: the model as it is. */
  readonly adapter?: string;
}

export interface ModelHub {
  /** All that can be asked for; the first answers requests that name none. */
  list(): readonly ServedModel[];
  /** Throws HttpError 404 for what is not served. */
  find(asked: string | null | undefined): ServedModel;
  /** The model, loaded if it was not. Throws as `find` does, and what loading throws. */
  open(asked: string | null | undefined, signal: AbortSignal): Promise<Lease>;
  /** Unloads what the hub has loaded. */
  /** Names of models that ought to be loaded and are not yet. */
  readonly missing: readonly string[];
  close(): Promise<void>;
}

/** One model that is loaded already and stays its owner's. Throws KaiwenError 'usage' if names clash. */
export function singleModel(model: Model, name: string = model.name): ModelHub {
  const created = Math.floor(Date.now() / 1000);
  const { info, path, canThink } = model;
  if (info.adapters.some((adapter) => adapter.name === name)) {
    throw new KaiwenError('usage', `The model and an adapter are both called "${name}".`, {
      remedy: 'Give one of them another name.',
    });
  }
  const common = { created, path, loaded: true, info, canThink, model };
  const served: ServedModel[] = [
    { id: name, ...common },
    ...info.adapters.map((adapter) => ({ id: adapter.name, parent: name, ...common })),
  ];
  const find = (asked: string | null | undefined) => findServed(served, asked);
  return {
    list: () => served,
    find,
    open: async (asked) => {
      const { id, parent } = find(asked);
      return { id, model, ...(parent !== undefined && { adapter: id }), [Symbol.dispose]: () => {} };
    },
    missing: [],
    close: async () => {},
  };
}

/** What `asked` names among `served`; no name asks for the first. Throws HttpError 404. */
export function findServed(served: readonly ServedModel[], asked: string | null | undefined): ServedModel {
  const found = asked === undefined || asked === null ? served[0] : served.find(({ id }) => id === asked);
  if (found) return found;
  const names = served.map(({ id }) => `'${id}'`).join(', ');
  const message = `The model '${asked?.slice(0, 200)}' is not served here; this server has ${names}.`;
  throw new HttpError(404, 'model_not_found', message, { param: 'model' });
}
