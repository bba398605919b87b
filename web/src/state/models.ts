/** The models that can be asked, and whether the server lets the page ask at all. */
import { listModels, type ServedModel } from '../api/client.js';
import { AskError } from '../api/failure.js';
import { apiKey, settings } from './settings.js';
import { Store } from './store.js';
import type { Conversation, Failure } from './types.js';

export interface Served {
  loading: boolean;
  models: readonly ServedModel[];
  failure?: Failure;
}

export const served = new Store<Served>({ loading: true, models: [] });

export async function refreshModels(): Promise<void> {
  served.update((before) => ({ ...before, loading: true }));
  try {
    served.set({ loading: false, models: await listModels(apiKey.get()) });
  } catch (error) {
    const failure: Failure = error instanceof AskError ? error.failure : { kind: 'unreachable' };
    served.update(({ models }) => ({ loading: false, models, failure }));
  }
}

/** The model a conversation asks: its own, the one chosen last, or the server's first. */
export function modelOf(conversation: Pick<Conversation, 'model'> | undefined): string | undefined {
  const { models } = served.get();
  const known = (id: string | undefined): boolean => models.some((model) => model.id === id);
  return [conversation?.model, settings.get().model].find(known) ?? models[0]?.id;
}
