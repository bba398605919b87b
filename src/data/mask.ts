/**
 * Masks what identifies a person: e-mail addresses, phone numbers, numbers of cards, accounts and identity cards
 * (their check digits must be right) and IP addresses. It finds forms, not names: a help, not a promise.
 */
import { isIPv6 } from 'node:net';
import type { Json } from '../formats/checkpoint.js';
import type { Example, Message } from './example.js';

export const MASK_KINDS = ['email', 'card', 'iban', 'id', 'ip', 'phone'] as const;
export type MaskKind = (typeof MASK_KINDS)[number];
export type MaskCounts = Record<MaskKind, number>;

interface Pattern {
  kind: MaskKind;
  pattern: RegExp;
  accept?: (found: string) => boolean;
}

/** In this order: a card is no phone number, and what is masked is not looked at again. */
const PATTERNS: readonly Pattern[] = [
  { kind: 'email', pattern: /[\p{L}\p{N}._%+-]{1,64}@(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}{2,24}/gu },
  { kind: 'id', pattern: /(?<![A-Za-z\d])\d{17}[\dXx](?![A-Za-z\d])/gu, accept: isResidentId },
  { kind: 'id', pattern: /(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])/g },
  { kind: 'card', pattern: /(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d-]|\.\d)/g, accept: (found) => isCard(digits(found)) },
  {
    kind: 'iban',
    pattern: /(?<![A-Za-z\d])[A-Z]{2}\d{2}(?: ?[A-Z\d]{4}){2,7}(?: ?[A-Z\d]{1,3})?(?![A-Za-z\d])/gu,
    accept: isIban,
  },
  {
    kind: 'ip',
    pattern: /(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d]|\.\d)/g,
    accept: isHost,
  },
  {
    kind: 'ip',
    pattern: /(?<![A-Za-z\d:.])[\da-fA-F]{0,4}(?::[\da-fA-F]{0,4}){2,7}(?![A-Za-z\d:])/gu,
    accept: isHost6,
  },
  { kind: 'phone', pattern: /(?<![\d.+-])(?:\+86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?![\d-]|\.\d)/g },
  {
    kind: 'phone',
    pattern: /(?<![\d+])\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,4}\)?){2,6}(?!\d)/g,
    accept: (found) => isLength(found, 8, 15),
  },
  { kind: 'phone', pattern: /(?<![\d.-])(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[.-]\d{4}(?![\d-]|\.\d)/g },
  { kind: 'phone', pattern: /(?<![\d.-])0\d{2,3}-\d{7,8}(?![\d-]|\.\d)/g },
];

/** `text` with each find replaced by its kind in brackets, such as `[email]`. Adds to `counts`. */
export function maskText(text: string, kinds: ReadonlySet<string>, counts: MaskCounts): string {
  let masked = text;
  for (const { kind, pattern, accept } of PATTERNS) {
    if (!kinds.has(kind)) continue;
    masked = masked.replace(pattern, (found: string) => {
      if (accept && !accept(found)) return found;
      counts[kind]++;
      return `[${kind}]`;
    });
  }
  return masked;
}

export function noMasks(): MaskCounts {
  return { email: 0, card: 0, iban: 0, id: 0, ip: 0, phone: 0 };
}

/** The example with all its texts masked, calls of tools included. */
export function maskExample(example: Example, kinds: ReadonlySet<string>, counts: MaskCounts): Example {
  const mask = (text: string): string => maskText(text, kinds, counts);
  const messages = (list: readonly Message[]): Message[] => list.map((message) => maskMessage(message, mask));
  switch (example.kind) {
    case 'text':
      return { ...example, text: mask(example.text) };
    case 'completion':
      return { ...example, prompt: mask(example.prompt), completion: mask(example.completion) };
    case 'plain-pair':
      return {
        ...example,
        prompt: mask(example.prompt),
        chosen: mask(example.chosen),
        rejected: mask(example.rejected),
      };
    case 'chat':
      return { ...example, messages: messages(example.messages) };
    case 'pair': {
      const [prompt, chosen, rejected] = [example.prompt, example.chosen, example.rejected].map(messages);
      return { ...example, prompt, chosen, rejected };
    }
  }
}

function maskMessage(message: Message, mask: (text: string) => string): Message {
  const { content, thinking, toolCalls } = message;
  const json = (value: Json): Json => {
    if (typeof value === 'string') return mask(value);
    if (Array.isArray(value)) return value.map(json);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, json(item)]));
  };
  return {
    ...message,
    content: mask(content),
    ...(thinking !== undefined && { thinking: mask(thinking) }),
    ...(toolCalls && { toolCalls: toolCalls.map((call) => ({ ...call, arguments: json(call.arguments) })) }),
  };
}

/** Luhn's check digit (ISO/IEC 7812). */
function isCard(number: string): boolean {
  if (/^(\d)\1*$/.test(number)) return false;
  let sum = 0;
  for (let i = 0; i < number.length; i++) {
    const digit = Number(number[number.length - 1 - i]);
    sum += i % 2 === 0 ? digit : digit > 4 ? 2 * digit - 9 : 2 * digit;
  }
  return sum % 10 === 0;
}

/** Resident identity numbers of China (GB 11643): a date of birth and a check character modulo 11. */
function isResidentId(number: string): boolean {
  const [month, day] = [Number(number.slice(10, 12)), Number(number.slice(12, 14))];
  if (!/^[1-9]\d{5}(?:19|20)/.test(number) || month < 1 || month > 12 || day < 1 || day > 31) return false;
  let sum = 0;
  for (let i = 0; i < 17; i++) sum += Number(number[i]) * (2 ** (17 - i) % 11);
  return '10X98765432'[sum % 11] === number[17].toUpperCase();
}

/** ISO 13616: the number with its head moved to the end is 1 modulo 97. */
function isIban(found: string): boolean {
  const compact = found.replaceAll(' ', '');
  if (compact.length < 15 || compact.length > 34) return false;
  let rest = 0;
  for (const char of compact.slice(4) + compact.slice(0, 4)) {
    const value = Number.parseInt(char, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

/** Addresses that name this machine or none say nothing about anybody. */
function isHost(address: string): boolean {
  return !/^(?:127\.|0\.0\.0\.0$|255\.255\.)/.test(address);
}

function isHost6(address: string): boolean {
  return isIPv6(address) && !/^[:0]*:?1?$/.test(address);
}

function isLength(found: string, from: number, to: number): boolean {
  const { length } = digits(found);
  return length >= from && length <= to;
}

function digits(text: string): string {
  return text.replace(/\D/g, '');
}
