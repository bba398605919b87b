/**
 * Pre-tokenisers: how text is cut into the pieces that byte-pair encoding merges. The patterns of the models that
 * Kaiwen runs have a hand-written scanner; any other runs as a regular expression.
 */
import { RegexSplitter, translateRegex } from './regex.js';
import { Scanner, type ScannerStyle } from './scanner.js';

export interface PreTokenizer {
  /** Calls `piece` with the bounds of every piece in `bytes[0, length)`, the UTF-8 of `text`, in order. */
  split(text: string, bytes: Uint8Array, length: number, piece: (start: number, end: number) => void): void;
}

interface Known {
  readonly pattern: string;
  readonly style: ScannerStyle;
}

const cl100kLike = (digits: string, letters: string, punctuation: string): string =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?${letters}+|\\p{N}${digits}| ?${punctuation}+[\\r\\n]*` +
  '|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

/** The patterns by the name that GGUF files give them. First-generation Qwen, Qwen2 and Qwen3 share one. */
export const PATTERNS = {
  qwen2: {
    pattern: cl100kLike('', '\\p{L}', '[^\\s\\p{L}\\p{N}]'),
    style: { gpt2: false, digits: 1, marks: false },
  },
  qwen35: {
    pattern: cl100kLike('', '[\\p{L}\\p{M}]', '[^\\s\\p{L}\\p{M}\\p{N}]'),
    style: { gpt2: false, digits: 1, marks: true },
  },
  llama3: {
    pattern: cl100kLike('{1,3}', '\\p{L}', '[^\\s\\p{L}\\p{N}]'),
    style: { gpt2: false, digits: 3, marks: false },
  },
  gpt2: {
    pattern: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
    style: { gpt2: true, digits: Number.POSITIVE_INFINITY, marks: false },
  },
} as const satisfies Record<string, Known>;

export type PatternName = keyof typeof PATTERNS;

/** The name of a pattern that has a scanner, or undefined. */
export function patternName(pattern: string): PatternName | undefined {
  return (Object.keys(PATTERNS) as PatternName[]).find((name) => PATTERNS[name].pattern === pattern);
}

/**
 * The pre-tokeniser that applies `patterns` one after the other.
 * @throws KaiwenError 'unsupported' for a pattern that JavaScript cannot express
 */
export function preTokenizer(patterns: readonly string[]): PreTokenizer {
  const name = patterns.length === 1 ? patternName(patterns[0]!) : undefined;
  return name === undefined ? new RegexSplitter(patterns.map(translateRegex)) : new Scanner(PATTERNS[name].style);
}
