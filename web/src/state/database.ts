/** Conversations in IndexedDB, one record each. Where the browser has none, they last as long as the page. */
import { readConversation } from './transfer.js';
import type { Conversation } from './types.js';

const NAME = 'kaiwen';
const STORE = 'conversations';

let opening: Promise<IDBDatabase> | undefined;

function open(): Promise<IDBDatabase> {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id' });
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('blocked by another tab'));
  });
  return opening;
}

async function transact<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const transaction = (await open()).transaction(STORE, mode);
  const request = work(transaction.objectStore(STORE));
  return await new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error);
    transaction.onerror = () => reject(transaction.error);
  });
}

/** All that are kept. Rejects where the browser keeps nothing. */
export async function allConversations(): Promise<Conversation[]> {
  const records: unknown[] = await transact('readonly', (store) => store.getAll());
  return records.flatMap((record) => readConversation(record) ?? []);
}

export async function keep(conversation: Conversation): Promise<void> {
  await transact('readwrite', (store) => store.put(conversation));
}

export async function forget(id: string): Promise<void> {
  await transact('readwrite', (store) => store.delete(id));
}
