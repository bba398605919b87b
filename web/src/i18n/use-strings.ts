/** The page's words in the reader's language. */
import { settings } from '../state/settings.js';
import { useStore } from '../state/store.js';
import { LANGUAGES, type Strings } from './strings.js';

export type Language = keyof typeof LANGUAGES;

/** The first of the browser's languages that the page speaks. */
function detected(): Language {
  for (const tag of navigator.languages) {
    if (/^zh\b/i.test(tag)) return 'zh';
    if (/^en\b/i.test(tag)) return 'en';
  }
  return 'en';
}

export function useLanguage(): Language {
  const { language } = useStore(settings);
  return language === 'auto' ? detected() : language;
}

export function useStrings(): Strings {
  return LANGUAGES[useLanguage()];
}
