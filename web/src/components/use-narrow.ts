/** Whether the screen is too narrow for the list of conversations beside the shown one. */
import { useSyncExternalStore } from 'react';

const query = window.matchMedia('(max-width: 800px)');

function subscribe(listener: () => void): () => void {
  query.addEventListener('change', listener);
  return () => query.removeEventListener('change', listener);
}

export function useNarrow(): boolean {
  return useSyncExternalStore(subscribe, () => query.matches);
}
