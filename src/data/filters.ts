/** Filters that judge the quality of a text by itself. Each is off until a limit is given. */
import { KaiwenError } from '../errors.js';
import { shinglesOf } from './minhash.js';

export interface FilterSettings {
  /** Characters of all texts of an example together. */
  minChars?: number;
  maxChars?: number;
  /** Largest share of runs of five words that occurred before in the text, 0 to 1. Texts of fewer than 50 words pass. */
  maxRepetition?: number;
  /** Largest share of characters that are neither letters, numbers, white space nor common punctuation, 0 to 1. */
  maxSymbols?: number;
  /** Scripts, such as latin and han, to which seven of ten letters must belong. */
  scripts?: readonly string[];
}

export const FILTER_REASONS = ['too short', 'too long', 'too repetitive', 'too many symbols', 'other script'] as const;
export type FilterReason = (typeof FILTER_REASONS)[number];

const RUN = 5;
const SHORT = 50;
const SCRIPT_SHARE = 0.7;

/** Writing systems by name. Several languages share one: this tells Chinese from English, not English from German. */
const SCRIPTS: Readonly<Record<string, RegExp>> = {
  arabic: /\p{Script=Arabic}/gu,
  armenian: /\p{Script=Armenian}/gu,
  bengali: /\p{Script=Bengali}/gu,
  cyrillic: /\p{Script=Cyrillic}/gu,
  devanagari: /\p{Script=Devanagari}/gu,
  georgian: /\p{Script=Georgian}/gu,
  greek: /\p{Script=Greek}/gu,
  han: /\p{Script=Han}/gu,
  hangul: /\p{Script=Hangul}/gu,
  hebrew: /\p{Script=Hebrew}/gu,
  kana: /[\p{Script=Hiragana}\p{Script=Katakana}]/gu,
  latin: /\p{Script=Latin}/gu,
  tamil: /\p{Script=Tamil}/gu,
  thai: /\p{Script=Thai}/gu,
};

export const SCRIPT_NAMES = Object.keys(SCRIPTS);

const PLAIN = /[\p{L}\p{M}\p{N}\s.,;:!?'"()\-–—“”‘’«»、。，；：！？（）「」『』《》…·]/gu;

/** Why a text is dropped, if it is. */
export function judge(text: string, settings: FilterSettings): FilterReason | undefined {
  const { minChars = 0, maxChars = Number.POSITIVE_INFINITY, maxRepetition, maxSymbols, scripts } = settings;
  if (text.length < minChars) return 'too short';
  if (text.length > maxChars) return 'too long';
  if (maxSymbols !== undefined && symbolShare(text) > maxSymbols) return 'too many symbols';
  if (scripts && scriptShare(text, scripts) < SCRIPT_SHARE) return 'other script';
  if (maxRepetition !== undefined && repetition(text) > maxRepetition) return 'too repetitive';
  return undefined;
}

/** Throws KaiwenError 'usage' for a script that is not known. */
export function checkScripts(scripts: readonly string[]): void {
  const wrong = scripts.find((script) => !Object.hasOwn(SCRIPTS, script));
  if (wrong === undefined) return;
  throw new KaiwenError('usage', `No script is called ${JSON.stringify(wrong)}.`, {
    remedy: `Scripts are ${SCRIPT_NAMES.join(', ')}.`,
  });
}

/** Share of runs of words that are not the first of their kind. */
export function repetition(text: string): number {
  const runs = shinglesOf(text, RUN);
  return runs.length < SHORT ? 0 : 1 - new Set(runs).size / runs.length;
}

export function symbolShare(text: string): number {
  const all = [...text].length;
  return all === 0 ? 0 : 1 - count(text, PLAIN) / all;
}

/** Share of letters that belong to the scripts; 1 for a text without letters. */
export function scriptShare(text: string, scripts: readonly string[]): number {
  const letters = count(text, /\p{L}/gu);
  if (letters === 0) return 1;
  return scripts.reduce((sum, script) => sum + count(text, SCRIPTS[script]), 0) / letters;
}

function count(text: string, pattern: RegExp): number {
  let found = 0;
  pattern.lastIndex = 0;
  while (pattern.test(text)) found++;
  return found;
}
