import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArithmeticError, evaluate, show } from './arithmetic.js';
import { runCalculator } from './calculator.js';

describe('arithmetic', () => {
  it('keeps the order of operations', () => {
    const cases: Record<string, number> = {
      '1 + 2 * 3': 7,
      '(1 + 2) * 3': 9,
      '2 ^ 3 ^ 2': 512,
      '-2 ^ 2': -4,
      '2 ** -1': 0.5,
      '7 % 4 - -1': 4,
      '1234 × 56': 69104,
      '84 ÷ 4': 21,
      '（1＋2）': Number.NaN,
      '.5 + 1e3': 1000.5,
    };
    for (const [expression, value] of Object.entries(cases)) {
      if (Number.isNaN(value)) expect(() => evaluate(expression)).toThrow(ArithmeticError);
      else expect(evaluate(expression)).toBe(value);
    }
    expect(show(evaluate('0.1 + 0.2'))).toBe('0.3');
  });

  it('refuses everything else, whatever it is', () => {
    for (const bad of [
      '',
      '1 +',
      '(1',
      '1)',
      '1 / 0',
      'alert(1)',
      '9^9^9^9',
      '('.repeat(500),
      '1'.repeat(2000),
      '1 2',
    ]) {
      expect(() => evaluate(bad)).toThrow(ArithmeticError);
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(Number.isFinite(evaluate(text))).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(ArithmeticError);
        }
      }),
    );
  });

  it('answers calls of the calculator and of nothing else', () => {
    const call = (name: string, given: string) => runCalculator({ id: '', name, arguments: given });
    expect(call('calculator', '{"expression":"2*3"}')).toBe('6');
    expect(call('calculator', '{"expression":"x"}')).toBe("error: 'x' is not arithmetic");
    expect(call('calculator', '{"expr')).toBe('error: expression is missing');
    expect(call('shell', '{"expression":"1"}')).toBeUndefined();
  });
});
