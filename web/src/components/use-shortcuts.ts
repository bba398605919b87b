/** Keys that work anywhere on the page. All but Escape need a modifier, so that they never take a letter from anybody. */
import { useEffect } from 'react';
import { stop } from '../state/chat.js';
import { editing, menuOpen, settingsOpen, show, shown } from '../state/view.js';

/** As shown in the settings. */
export const KEYS = {
  send: ['Enter'],
  line: ['Shift', 'Enter'],
  stop: ['Esc'],
  editLast: ['↑'],
  newChat: ['Ctrl', 'Shift', 'O'],
  search: ['Ctrl', 'K'],
  focus: ['Shift', 'Esc'],
  settings: ['Ctrl', ','],
} as const;

export function useShortcuts(): void {
  useEffect(() => {
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
}

function onKey(event: KeyboardEvent): void {
  if (event.isComposing || event.defaultPrevented || document.querySelector('dialog[open]')) return;
  const command = event.ctrlKey || event.metaKey;
  if (event.key === 'Escape') {
    if (event.shiftKey) focus('message');
    else if (menuOpen.get()) menuOpen.set(false);
    else if (editing.get() === undefined) stop(shown.get() ?? '');
    return;
  }
  if (!command) return;
  const key = event.key.toLowerCase();
  if (key === 'o' && event.shiftKey) {
    show(undefined);
    focus('message');
  } else if (key === 'k' && !event.shiftKey) {
    menuOpen.set(true);
    focus('search');
  } else if (key === ',') settingsOpen.set(true);
  else return;
  event.preventDefault();
}

/** Once what was opened has been drawn. */
function focus(id: string): void {
  requestAnimationFrame(() => document.getElementById(id)?.focus());
}
