import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { detectFeatures, type Features, featuresOf, instructionSets } from './cpu.js';
import { openForeign } from './mapping.js';

const here = process.platform === 'linux' && process.arch === 'x64';

test.runIf(here)('the stub finds what the kernel lists', () => {
  const foreign = openForeign();
  if ('refused' in foreign) throw new Error(foreign.refused);
  const flags = new Set(/^flags\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))![1].split(' '));
  expect(detectFeatures(foreign)).toEqual({
    avx2: flags.has('avx2'),
    fma: flags.has('fma'),
    f16c: flags.has('f16c'),
    avx512: ['avx512f', 'avx512bw', 'avx512vl', 'avx512dq'].every((flag) => flags.has(flag)),
    avx512Vnni: flags.has('avx512_vnni'),
    avxVnni: flags.has('avx_vnni'),
  });
});

/** Everything present, then some words' bits taken away. */
function features(clear: [word: number, bits: number][] = []): Features {
  const words = new Uint32Array(13).fill(0xffff_ffff);
  for (const [word, bits] of clear) words[word] &= ~bits;
  return featuresOf(words);
}

test('a feature counts only when the system saves its registers', () => {
  const none = { avx2: false, fma: false, f16c: false, avx512: false, avx512Vnni: false, avxVnni: false };
  expect(featuresOf(new Uint32Array(13))).toEqual(none);
  expect(features([[2, 1 << 27]])).toEqual(none); // no OSXSAVE: XCR0 was not read
  expect(features([[12, 0x04]])).toEqual(none); // upper halves of ymm are not saved
  expect(features([[12, 0x80]])).toEqual({ ...features(), avx512: false, avx512Vnni: false });
});

test('instruction sets, best first, each without what it lacks', () => {
  expect(instructionSets(features())).toEqual(['avx512-vnni', 'avx512', 'avx-vnni', 'avx2']);
  expect(instructionSets(features([[6, 1 << 11]]))).toEqual(['avx512', 'avx-vnni', 'avx2']);
  for (const bit of [16, 17, 30, 31]) expect(instructionSets(features([[5, 1 << bit]]))).toEqual(['avx-vnni', 'avx2']);
  expect(
    instructionSets(
      features([
        [5, 1 << 16],
        [8, 1 << 4],
      ]),
    ),
  ).toEqual(['avx2']);
  for (const bit of [12, 29]) expect(instructionSets(features([[2, 1 << bit]]))).toEqual([]); // FMA, F16C
});
