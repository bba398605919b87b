import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judge, repetition, scriptShare, symbolShare } from './filters.js';
import { HashIndex } from './hash-index.js';
import { MASK_KINDS, maskText, noMasks } from './mask.js';
import { DOCUMENTS, NearIndex, QUESTIONS, Signer, shinglesOf } from './minhash.js';
import { QuestionGroups } from './split.js';

describe('MinHash', () => {
  const signer = new Signer(DOCUMENTS);
  const sign = (text: string) => {
    const signature = new Uint32Array(signer.words);
    signer.sign(text, signature);
    return signature;
  };
  const jaccard = (a: string, b: string) => {
    const [one, two] = [a, b].map((text) => new Set(shinglesOf(text, DOCUMENTS.shingle)));
    const both = [...one].filter((shingle) => two.has(shingle)).length;
    return both / (one.size + two.size - both);
  };

  it('finds texts whose similarity is above the threshold and none far below', () => {
    let random = 1;
    const next = (n: number) => (random = (random * 48271) % 2147483647) % n;
    const text = Array.from({ length: 300 }, () => `w${next(5000)}`);
    const found = { near: 0, far: 0, nears: 0, fars: 0 };
    const index = new NearIndex(DOCUMENTS, 0.8);
    index.add(sign(text.join(' ')));
    for (let i = 0; i < 200; i++) {
      const changed = text.slice();
      for (let j = next(30); j >= 0; j--) changed[next(300)] = 'other';
      const similarity = jaccard(text.join(' '), changed.join(' '));
      const hit = index.find(sign(changed.join(' '))).length > 0;
      if (similarity > 0.88) [found.near, found.nears] = [found.near + Number(hit), found.nears + 1];
      if (similarity < 0.68) [found.far, found.fars] = [found.far + Number(hit), found.fars + 1];
    }
    expect([found.nears, found.fars].every((count) => count > 20)).toBe(true);
    expect(found.near).toBeGreaterThanOrEqual(found.nears - 1);
    expect(found.far).toBeLessThanOrEqual(1);
  });

  it('sees no difference in case, width and spaces, and takes each Han character for a word', () => {
    expect(sign('Ｈello  WORLD\n')).toEqual(sign('hello world'));
    expect(shinglesOf('今天天气很好', 5)).toHaveLength(2);
    expect(sign('!!!')).not.toEqual(sign('???'));
  });
});

it('a hash index numbers hashes by their first appearance', () => {
  const hash = fc.tuple(fc.nat(3), fc.nat(50_000));
  fc.assert(
    fc.property(fc.array(hash, { maxLength: 5000, size: 'max' }), (hashes) => {
      const index = new HashIndex();
      const known = new Map<string, number>();
      for (const [high, low] of hashes) {
        const key = `${high} ${low}`;
        if (!known.has(key)) known.set(key, known.size);
        expect(index.add(high, low)).toBe(known.get(key));
      }
      expect(index.size).toBe(known.size);
      for (const [key, number] of known) expect(index.at(number).join(' ')).toBe(key);
    }),
    { numRuns: 20 },
  );
});

describe('groups of questions', () => {
  const signer = new Signer(QUESTIONS);
  const groups = (questions: string[]) => {
    const all = new QuestionGroups();
    const numbers = questions.map((question) => {
      const signature = new Uint32Array(signer.words);
      signer.sign(question, signature);
      const [low] = shinglesOf(question, 1000);
      return all.add(0, low, signature);
    });
    return (share: number, seed = 0) => [...all.choose(Int32Array.from(numbers), share, seed)];
  };
  const long = (topic: string, end: string) =>
    `Please explain to me in detail and with good examples for a beginner how ${topic} works and why people use it ${end}`;

  it('keep similar questions together, and choose about the share that is asked for', () => {
    const topics = Array.from({ length: 40 }, (_, i) => `thing${i} of kind${i * 3} in place${i * 7}`);
    const choose = groups(topics.flatMap((topic) => [long(topic, 'today'), long(topic, 'today then')]));
    for (const seed of [0, 1, 2]) {
      const kept = choose(0.2, seed);
      expect(kept.filter((value) => value === 1)).toHaveLength(16);
      topics.forEach((_, i) => {
        expect(kept[2 * i]).toBe(kept[2 * i + 1]);
      });
    }
    expect(choose(0.2, 0)).not.toEqual(choose(0.2, 1));
    expect(choose(0)).not.toContain(1);
  });

  it('hold together and take linear time when all questions follow one pattern', () => {
    const signature = new Uint32Array(signer.words);
    const all = new QuestionGroups();
    const numbers = Array.from({ length: 10_000 }, (_, i) => {
      signer.sign(long('the thing', `number${i}`), signature);
      return all.add(0, i, signature);
    });
    expect(all.choose(Int32Array.from(numbers), 0.1, 0)).not.toContain(1);
  });

  it('never give a large group away for a small share', () => {
    const same = Array.from({ length: 30 }, () => 'the same question');
    const kept = groups([...same, 'another one', 'and a third of them'])(0.1);
    expect(kept.slice(0, 30)).not.toContain(1);
    expect(kept.slice(30)).toContain(1);
    expect(groups(same)(0.1)).not.toContain(1);
  });
});

describe('filters', () => {
  it('measure repetition, symbols and scripts', () => {
    const words = Array.from({ length: 100 }, (_, i) => `w${i}`).join(' ');
    expect(repetition(words)).toBe(0);
    expect(repetition('again and '.repeat(100))).toBeGreaterThan(0.9);
    expect(repetition('a a a')).toBe(0);
    expect(symbolShare('plain words, 今天天气很好。')).toBe(0);
    expect(symbolShare('a#$%')).toBe(0.75);
    expect(scriptShare('abc 今天天', ['han'])).toBe(0.5);
    expect(scriptShare('12', ['han'])).toBe(1);
  });

  it('say why a text is dropped, and let it pass where no limit is given', () => {
    expect(judge('#'.repeat(1000), {})).toBeUndefined();
    expect(judge('abc', { minChars: 4 })).toBe('too short');
    expect(judge('abcde', { maxChars: 4 })).toBe('too long');
    expect(judge('###', { maxSymbols: 0.5 })).toBe('too many symbols');
    expect(judge('hello', { scripts: ['han', 'kana'] })).toBe('other script');
    expect(judge('こんにちは世界', { scripts: ['han', 'kana'] })).toBeUndefined();
    expect(judge('again and '.repeat(100), { maxRepetition: 0.5 })).toBe('too repetitive');
  });
});

describe('masking', () => {
  const mask = (text: string) => maskText(text, new Set(MASK_KINDS), noMasks());

  it.each([
    ['mail li.lei+x@mail.example.cn now', 'mail [email] now'],
    ['card 4111 1111 1111 1111, not 4111 1111 1111 1112', 'card [card], not 4111 1111 1111 1112'],
    ['身份证11010519491231002X。', '身份证[id]。'],
    ['id 110105194912310021', 'id 110105194912310021'],
    ['SSN 123-45-6789, not 000-45-6789', 'SSN [id], not 000-45-6789'],
    ['to DE89 3704 0044 0532 0130 00 please', 'to [iban] please'],
    ['to DE89 3704 0044 0532 0130 01 please', 'to DE89 3704 0044 0532 0130 01 please'],
    ['from 192.168.1.20:80, not 127.0.0.1 or 1.2.3', 'from [ip]:80, not 127.0.0.1 or 1.2.3'],
    ['at 2001:db8::8a2e:370:7334 at 12:30:45', 'at [ip] at 12:30:45'],
    ['call +49 30 901820 or 13812345678', 'call [phone] or [phone]'],
    ['call (555) 123-4567 or 010-62751234', 'call [phone] or [phone]'],
    ['in 2024-05-06 we sold 1,234,567 for 3.14159265358979', 'in 2024-05-06 we sold 1,234,567 for 3.14159265358979'],
  ])('%s', (text, expected) => {
    expect(mask(text)).toBe(expected);
    expect(mask(expected)).toBe(expected);
  });

  it('counts, obeys the kinds that are chosen, and takes linear time', () => {
    const counts = noMasks();
    expect(maskText('a@b.cc 13812345678 c@d.ee', new Set(['email']), counts)).toBe('[email] 13812345678 [email]');
    expect(counts).toEqual({ ...noMasks(), email: 2 });
    for (const part of ['a@', '1', '1 ', ':', 'a.', '+1 ', '1.', 'AA00', '(1']) {
      expect(mask(part.repeat(50_000)).length).toBeGreaterThan(0);
    }
  });
});
