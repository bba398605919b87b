/** What the reader chose, kept in localStorage; the API key only for this tab's session. */
import { field, number, parse, text } from '../api/json.js';
import { Store } from './store.js';
import type { Sampling, Settings } from './types.js';

const SETTINGS = 'kaiwen.settings';
const KEY = 'kaiwen.key';

export const DEFAULTS: Settings = { theme: 'auto', language: 'auto', sampling: {}, calculator: false };

export const settings = new Store<Settings>(readSettings());
export const apiKey = new Store<string>(read('session', KEY) ?? '');

export function changeSettings(change: Partial<Settings>): void {
  const value = { ...settings.get(), ...change };
  write('local', SETTINGS, JSON.stringify(value));
  settings.set(value);
}

export function setApiKey(key: string): void {
  write('session', KEY, key);
  apiKey.set(key);
}

/** Another tab's choices become this one's. */
window.addEventListener('storage', ({ key }) => {
  if (key === SETTINGS) settings.set(readSettings());
});

function readSettings(): Settings {
  const stored = parse(read('local', SETTINGS) ?? '');
  const theme = field(stored, 'theme');
  const language = field(stored, 'language');
  const model = text(field(stored, 'model'));
  return {
    theme: theme === 'light' || theme === 'dark' ? theme : 'auto',
    language: language === 'en' || language === 'zh' ? language : 'auto',
    ...(model === undefined ? {} : { model }),
    sampling: readSampling(field(stored, 'sampling')),
    calculator: field(stored, 'calculator') === true,
  };
}

function readSampling(stored: unknown): Sampling {
  const sampling: Sampling = {};
  for (const name of ['temperature', 'topP', 'topK', 'maxTokens', 'seed', 'thinkingBudget'] as const) {
    const value = number(field(stored, name));
    if (value !== undefined) sampling[name] = value;
  }
  const thinking = field(stored, 'thinking');
  if (typeof thinking === 'boolean') sampling.thinking = thinking;
  return sampling;
}

/** Browsers may forbid storage altogether; then choices last as long as the page. */
function read(kind: 'local' | 'session', key: string): string | null {
  try {
    return (kind === 'local' ? localStorage : sessionStorage).getItem(key);
  } catch {
    return null;
  }
}

function write(kind: 'local' | 'session', key: string, value: string): void {
  try {
    (kind === 'local' ? localStorage : sessionStorage).setItem(key, value);
  } catch {
    // Full or forbidden.
  }
}
