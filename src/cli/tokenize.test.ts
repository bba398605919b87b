import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../tokenizer/load.js';
import { convertLines } from './tokenize.js';

const tokenizer = openTokenizer('models/glossary');

/** `text` in chunks of `size` bytes, which cut characters and lines anywhere. */
async function* chunks(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function convert(text: string, flags: { control?: boolean; decode?: boolean } = {}, size = 3): Promise<string[]> {
  const answers: string[] = [];
  for await (const answer of convertLines(tokenizer, chunks(text, size), flags)) answers.push(answer);
  return answers;
}

describe('kaiwen tokenize', () => {
  it('answers a line with a line, wherever the input is cut', async () => {
    const texts = ['', 'the 世界 😀', 'a\u2028b\r\n', '<|im_end|>'];
    const input = `"\u2028"\r\n${texts.map((text) => JSON.stringify(text)).join('\n')}`;
    const expected = ['\u2028', ...texts].map((text) => `${JSON.stringify(tokenizer.encode(text))}\n`);
    for (const size of [1, 2, 3, 1000]) expect(await convert(input, {}, size)).toEqual(expected);
  });

  it('parses control tokens only when asked', async () => {
    expect(await convert('"<|im_end|>"\n', { control: true })).toEqual(['[4095]\n']);
    expect(await convert('"<|im_end|>"\n')).not.toEqual(['[4095]\n']);
  });

  it('decodes', async () => {
    const ids = JSON.stringify([4095, ...tokenizer.encode('世界')]);
    expect(await convert(ids, { decode: true })).toEqual(['"世界"\n']);
    expect(await convert(ids, { decode: true, control: true })).toEqual(['"<|im_end|>世界"\n']);
  });

  it('names the first bad line', async () => {
    await expect(convert('"a"\n\n"b"\n')).rejects.toThrow('Line 2 of standard input is not a JSON string.');
    await expect(convert('[1]\n')).rejects.toThrow('Line 1');
    await expect(convert('[1]\n[-1]\n', { decode: true })).rejects.toThrow('Line 2');
  });
});
