/** The sampling settings a user can name, once for the command line (`--top-k 20`) and the chat (`/set top-k 20`). */
import type { ChatOptions } from '../generate/api.js';

export type SettingKey =
  | 'temperature'
  | 'topK'
  | 'topP'
  | 'minP'
  | 'repetitionPenalty'
  | 'presencePenalty'
  | 'frequencyPenalty'
  | 'seed'
  | 'maxTokens';

export interface Setting {
  /** As typed: kebab-case. */
  readonly name: string;
  readonly key: SettingKey;
  readonly help: string;
  /** What a valid value is, to complete "must be …". */
  readonly range: string;
  valid(value: number): boolean;
}

const whole = (from: number) => (value: number) => Number.isSafeInteger(value) && value >= from;
const between = (from: number, to: number) => (value: number) => value >= from && value <= to;

export const SETTINGS: readonly Setting[] = [
  {
    name: 'temperature',
    key: 'temperature',
    help: 'randomness of the choice of tokens; 0 is greedy',
    range: 'a number from 0 to 100',
    valid: between(0, 100),
  },
  {
    name: 'top-k',
    key: 'topK',
    help: 'choose among the K most likely tokens; 0 is off',
    range: 'a whole number from 0',
    valid: whole(0),
  },
  {
    name: 'top-p',
    key: 'topP',
    help: 'choose among the most likely tokens that together have this probability; 1 is off',
    range: 'a number above 0 and at most 1',
    valid: (value) => value > 0 && value <= 1,
  },
  {
    name: 'min-p',
    key: 'minP',
    help: 'drop tokens less likely than this share of the likeliest; 0 is off',
    range: 'a number from 0 to 1',
    valid: between(0, 1),
  },
  {
    name: 'repetition-penalty',
    key: 'repetitionPenalty',
    help: 'weaken tokens already in prompt or answer; 1 is off',
    range: 'a number from 0.01 to 100',
    valid: between(0.01, 100),
  },
  {
    name: 'presence-penalty',
    key: 'presencePenalty',
    help: 'subtract from tokens that the answer holds; 0 is off',
    range: 'a number from -100 to 100',
    valid: between(-100, 100),
  },
  {
    name: 'frequency-penalty',
    key: 'frequencyPenalty',
    help: 'subtract for each time the answer holds a token; 0 is off',
    range: 'a number from -100 to 100',
    valid: between(-100, 100),
  },
  {
    name: 'seed',
    key: 'seed',
    help: 'same seed, same answer',
    range: 'a whole number from 0 to 4294967295',
    valid: (value) => whole(0)(value) && value <= 0xffffffff,
  },
  {
    name: 'max-tokens',
    key: 'maxTokens',
    help: 'longest answer in tokens',
    range: 'a whole number from 1',
    valid: whole(1),
  },
];

export type SettingValues = Pick<ChatOptions, SettingKey>;

/** The number that `text` spells, or undefined: unlike Number(), '' and ' ' are not 0. */
export function parseNumber(text: string): number | undefined {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** A valid value of the setting, or undefined. */
export function parseSetting(setting: Setting, text: string): number | undefined {
  const value = parseNumber(text);
  return value !== undefined && setting.valid(value) ? value : undefined;
}
