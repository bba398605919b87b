/** A document as tokens with their weights, for a terminal in colours or as plain lines. */
import type { Sample } from '../data/sample.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { Colors } from './terminal.js';

/** Every token's own text: a line end as `↵`, other control characters and parts of characters as `\x` and two digits. */
export function tokenTexts(tokenizer: Tokenizer, ids: ArrayLike<number>): string[] {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return Array.from(ids, (id) => {
    const bytes = tokenizer.bytes(id);
    try {
      return utf8
        .decode(bytes)
        .replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/g, hex)
        .replace(/\n/g, '↵');
    } catch {
      return Array.from(bytes, (byte) => hexOf(byte)).join('');
    }
  });
}

/**
 * Colours: what is learned is green (yellow with a weight below 1), what is not is dim, and neighbouring tokens differ
 * in their shade. Without colours every stretch of one weight is a line: the weight, then the tokens between bars.
 */
export function viewDocument(sample: Sample, tokenizer: Tokenizer, colors: Colors): string {
  const texts = tokenTexts(tokenizer, sample.ids);
  const weights = Array.from(sample.weights);
  // The first token of all is never a target.
  const learned = weights.filter((weight, i) => i > 0 && weight > 0).length;
  const title = colors.bold(`${sample.place}: ${texts.length} tokens, ${learned} learned`);
  return `${title}\n${colors.isColorSupported ? colored(texts, weights, colors) : plain(texts, weights)}`;
}

function colored(texts: readonly string[], weights: readonly number[], colors: Colors): string {
  const shades = (weight: number): ((text: string) => string)[] => {
    if (weight === 0) return [colors.dim, (text) => colors.dim(colors.underline(text))];
    if (weight < 255) return [colors.yellow, (text) => colors.yellow(colors.underline(text))];
    return [colors.green, (text) => colors.green(colors.underline(text))];
  };
  return texts
    .map((text, i) => {
      const broken = shades(weights[i])[i % 2](text);
      return text.includes('↵') ? `${broken}\n` : broken;
    })
    .join('')
    .trimEnd();
}

function plain(texts: readonly string[], weights: readonly number[]): string {
  const lines: string[] = [];
  let start = 0;
  for (let i = 1; i <= texts.length; i++) {
    if (i < texts.length && weights[i] === weights[start]) continue;
    const weight = String(Math.round((weights[start] / 255) * 100) / 100);
    lines.push(`${weight.padStart(4)}  ${texts.slice(start, i).join('│')}`);
    start = i;
  }
  return lines.join('\n');
}

const hex = (char: string): string =>
  char.charCodeAt(0) < 256 ? hexOf(char.charCodeAt(0)) : `\\u${char.charCodeAt(0).toString(16)}`;

const hexOf = (byte: number): string => `\\x${byte.toString(16).padStart(2, '0')}`;
