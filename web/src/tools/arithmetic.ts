/**
 * A calculator for what a model may ask: numbers, + - * / % ^, brackets and signs, by recursive descent. It reads
 * digits and signs and nothing else, so no text of a model can make it do more than calculate.
 */

/** What was wrong with an expression, for the model and the reader. */
export class ArithmeticError extends Error {}

const LONGEST = 1000;
const DEEPEST = 100;

/** Signs that people and models write for the same thing. */
const SAME: Readonly<Record<string, string>> = {
  '×': '*',
  '·': '*',
  '÷': '/',
  '−': '-',
  '–': '-',
  '（': '(',
  '）': ')',
};

/** The value of an expression such as `2 * (3 + 4)`. Throws ArithmeticError. */
export function evaluate(expression: string): number {
  if (expression.length > LONGEST) throw new ArithmeticError('the expression is too long');
  const source = expression.replace(/[×·÷−–（）]/g, (sign) => SAME[sign]).replaceAll('**', '^');
  const tokens = source.match(/\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|[-+*/%^()]|\S/gi) ?? [];
  let at = 0;
  let depth = 0;

  const take = (signs: string): string | undefined => {
    const token = tokens[at];
    return token !== undefined && token.length === 1 && signs.includes(token) ? tokens[at++] : undefined;
  };

  function sum(): number {
    let value = product();
    for (let sign = take('+-'); sign; sign = take('+-')) value += sign === '+' ? product() : -product();
    return value;
  }

  function product(): number {
    let value = signed();
    for (let sign = take('*/%'); sign; sign = take('*/%')) {
      const right = signed();
      if (sign !== '*' && right === 0) throw new ArithmeticError('division by zero');
      value = sign === '*' ? value * right : sign === '/' ? value / right : value % right;
    }
    return value;
  }

  function signed(): number {
    if (++depth > DEEPEST) throw new ArithmeticError('the expression is nested too deeply');
    const sign = take('+-');
    const value = sign === '-' ? -signed() : sign === '+' ? signed() : power();
    depth--;
    return value;
  }

  function power(): number {
    const base = atom();
    return take('^') ? base ** signed() : base;
  }

  function atom(): number {
    if (take('(')) {
      const value = sum();
      if (!take(')')) throw new ArithmeticError('a bracket is not closed');
      return value;
    }
    const token = tokens[at++];
    if (token === undefined) throw new ArithmeticError('the expression ends too early');
    if (!/^[\d.]/.test(token) || token === '.') throw new ArithmeticError(`'${token}' is not arithmetic`);
    return Number(token);
  }

  const value = sum();
  if (at < tokens.length) throw new ArithmeticError(`'${tokens[at]}' is not expected here`);
  if (!Number.isFinite(value)) throw new ArithmeticError('the result is too large');
  return value;
}

/** Without the noise of binary fractions: 0.1 + 0.2 is 0.3. */
export function show(value: number): string {
  return String(Number(value.toPrecision(12)));
}
