import { expect, test } from 'vitest';
import { generate } from './code.js';
import { ISA_NAMES } from './isa.js';

test.each(ISA_NAMES)(
  '%s: generated on any machine, the same each time, every kernel on a cache line of its own',
  (isa) => {
    const { bytes, entries } = generate(isa);
    expect(generate(isa)).toEqual({ bytes, entries });
    for (const [i, entry] of entries.entries()) {
      expect(entry % 64).toBe(0);
      expect(entry).toBeGreaterThan(i === 0 ? -1 : entries[i - 1]);
      expect(entry).toBeLessThan(bytes.length);
    }
  },
);
