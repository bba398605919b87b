/** Keys in a box where people write. */
import type { KeyboardEvent } from 'react';

/** The code of keys that an input method has taken; some browsers end the composition before the key arrives. */
const TAKEN_BY_INPUT_METHOD = 229;

/** Whether the key sends the message: Enter alone, and not the one that chooses a Chinese word. */
export function sends(event: KeyboardEvent): boolean {
  if (event.key !== 'Enter' || event.shiftKey || event.altKey) return false;
  return !event.nativeEvent.isComposing && event.keyCode !== TAKEN_BY_INPUT_METHOD;
}
