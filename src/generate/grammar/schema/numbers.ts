/**
 * Numbers between bounds and multiples of a number, digit by digit: a state says how much of either bound the digits so
 * far equal, and what they leave when divided.
 */
import { KaiwenError } from '../../../errors.js';
import { choice, type Ebnf, EMPTY, type Expression, literal, repeat, sequence } from '../ebnf.js';

export interface NumberLimits {
  integer: boolean;
  /** Inclusive unless `above` or `below`. */
  min: number;
  max: number;
  above: boolean;
  below: boolean;
  /** All of them divide the number. */
  multiples: readonly number[];
}

/** Digits that a number without bounds may have before and behind the point. */
const WHOLE = 20;
const FRACTION = 16;
const STATES = 8000;

export function numberBody(limits: NumberLimits, ebnf: Ebnf): Expression {
  const { integer, min, max, multiples } = limits;
  if (min === -Infinity && max === Infinity && multiples.length === 0) return anyNumber(integer);
  const options: Expression[] = [];
  const positive = magnitudes({ ...limits, min: Math.max(min, 0), above: limits.above && min >= 0 }, ebnf);
  if (positive) options.push(positive);
  if (min < 0) {
    const mirrored = {
      ...limits,
      min: Math.max(0, -max),
      above: max >= 0 || limits.below,
      max: -min,
      below: limits.above,
    };
    const negative = magnitudes(mirrored, ebnf);
    if (negative) options.push(sequence('"-"', negative));
  }
  if (options.length === 0) throw new KaiwenError('unsupported', 'No number can satisfy the bounds.');
  return choice(options);
}

export function anyNumber(integer: boolean): Expression {
  const whole = `("0" | [1-9] [0-9]{0,${WHOLE - 1}})`;
  if (integer) return `("0" | "-"? [1-9] [0-9]{0,${WHOLE - 1}})`;
  return sequence('"-"?', whole, `("." [0-9]{1,${FRACTION}})?`, '([eE] [+\\-]? [0-9]{1,2})?');
}

/** Whether `value` is within the limits; what the grammar of numberBody writes is. */
export function withinLimits(value: number, { integer, min, max, above, below, multiples }: NumberLimits): boolean {
  if (integer && !Number.isInteger(value)) return false;
  if (above ? value <= min : value < min) return false;
  if (below ? value >= max : value > max) return false;
  return multiples.every((multiple) => {
    const quotient = value / multiple;
    return Math.abs(quotient - Math.round(quotient)) <= 1e-9 * Math.max(1, Math.abs(quotient));
  });
}

interface Bound {
  whole: string;
  fraction: string;
}

interface State {
  at: number;
  /** Whether the digits so far are those of the lower, or the upper bound. */
  low: boolean;
  high: boolean;
  rest: number;
}

/** Numbers from 0 up, without sign; nothing where there is none. */
function magnitudes(limits: NumberLimits, ebnf: Ebnf): Expression | undefined {
  const { min, max, above, below, integer } = limits;
  if (min > max || (min === max && (above || below))) return undefined;
  const low = decimal(min);
  const high = max === Infinity ? undefined : decimal(max);
  if (low.whole.length > WHOLE || (high && high.whole.length > WHOLE)) {
    throw new KaiwenError('unsupported', `Bounds of more than ${WHOLE} digits are not supported.`);
  }
  const { divisor, scale } = commonMultiple(limits.multiples);
  const fraction = integer ? 0 : divisor > 1 || scale > 0 ? scale : FRACTION;
  const options: Expression[] = [];
  const rules = new Map<string, Expression | undefined>();
  for (let length = low.whole.length; length <= (high?.whole.length ?? WHOLE); length++) {
    const free = divisor === 1 && scale === 0;
    // Longer than the lower bound and shorter than the upper one: the digits do not matter.
    if (free && length > low.whole.length && (!high || length < high.whole.length)) {
      const last = high ? high.whole.length - 1 : WHOLE;
      options.push(sequence(`[1-9] [0-9]{${length - 1},${last - 1}}`, tail(fraction)));
      length = last;
      continue;
    }
    const walk = new Walk(limits, low, high, length, fraction, divisor, scale, ebnf, rules);
    const start = { at: 0, low: length === low.whole.length, high: length === high?.whole.length, rest: 0 };
    const body = walk.body(start);
    if (body) options.push(body);
  }
  return options.length === 0 ? undefined : choice(options);
}

function tail(fraction: number): Expression {
  return fraction === 0 ? EMPTY : `("." [0-9]{1,${fraction}})?`;
}

/** Digits without exponent. */
function decimal(value: number): Bound {
  const [digits, exponent = '0'] = String(value).split('e');
  const [whole, fraction = ''] = digits.split('.');
  const shift = Number(exponent);
  if (shift >= 0) {
    const all = fraction.padEnd(shift, '0');
    return { whole: whole + all.slice(0, shift), fraction: all.slice(shift) };
  }
  const all = whole.padStart(1 - shift, '0');
  const point = all.length + shift;
  return { whole: all.slice(0, point).replace(/^0+(?=\d)/, ''), fraction: all.slice(point) + fraction };
}

/** The least number that all divide, as divisor / 10^scale. */
function commonMultiple(multiples: readonly number[]): { divisor: number; scale: number } {
  const parts = multiples.map((multiple) => decimal(multiple));
  const scale = Math.max(0, ...parts.map(({ fraction }) => fraction.length));
  let divisor = 1;
  for (const { whole, fraction } of parts) {
    const scaled = Number(whole + fraction.padEnd(scale, '0'));
    divisor = (divisor / gcd(divisor, scaled)) * scaled;
    if (!(divisor <= STATES))
      throw new KaiwenError('unsupported', `Multiples of ${multiples.join(', ')} are not supported.`);
  }
  return { divisor, scale };
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Numbers with a given count of digits before the point: a rule for each state that digits can lead to. */
class Walk {
  constructor(
    private readonly limits: NumberLimits,
    private readonly low: Bound,
    private readonly high: Bound | undefined,
    private readonly length: number,
    private readonly fraction: number,
    private readonly divisor: number,
    private readonly scale: number,
    private readonly ebnf: Ebnf,
    private readonly rules: Map<string, Expression | undefined>,
  ) {}

  /** What may come in this state; nothing where no number comes of it. */
  body(state: State): Expression | undefined {
    const { length, fraction, divisor } = this;
    const free = !state.low && !state.high && divisor === 1 && this.scale === 0;
    if (free) {
      if (state.at <= length) return sequence(repeat('[0-9]', length - state.at, length - state.at), tail(fraction));
      return repeat('[0-9]', 0, length + fraction - state.at);
    }
    const options: Expression[] = [];
    if (state.at >= length && this.mayEnd(state)) options.push(EMPTY);
    if (state.at < length + fraction) {
      const point = state.at === length ? '"."' : EMPTY;
      for (const [first, last, next] of this.digits(state)) {
        const rest = this.rule(next);
        if (rest) options.push(sequence(point, first === last ? literal(first) : `[${first}-${last}]`, rest));
      }
    }
    return options.length === 0 ? undefined : choice(options);
  }

  private rule(state: State): Expression | undefined {
    // Away from the bounds it only matters how many digits are left.
    const tight = state.low || state.high ? `${this.length} ${state.low} ${state.high}` : '';
    const key = `${this.length - state.at} ${state.rest} ${tight}`;
    if (this.rules.has(key)) return this.rules.get(key);
    if (this.rules.size > STATES)
      throw new KaiwenError('unsupported', 'The bounds and multiples of a number are too many.');
    const body = this.body(state);
    const rule = body && this.ebnf.rule(body);
    this.rules.set(key, rule);
    return rule;
  }

  /** Ranges of digits that lead to the same state. */
  private *digits(state: State): Generator<[string, string, State]> {
    const { length, divisor } = this;
    const low = state.low ? digitAt(this.low, state.at, length) : 0;
    const high = state.high ? digitAt(this.high!, state.at, length) : 9;
    let run: [number, number, State] | undefined;
    for (let digit = low; digit <= high; digit++) {
      // A number of several digits does not begin with 0.
      if (state.at === 0 && digit === 0 && length > 1) continue;
      const next: State = {
        at: state.at + 1,
        low: state.low && digit === low,
        high: state.high && digit === high,
        rest: (state.rest * 10 + digit) % divisor,
      };
      const same = run && run[2].low === next.low && run[2].high === next.high && run[2].rest === next.rest;
      if (run && same) run[1] = digit;
      else {
        if (run) yield [String(run[0]), String(run[1]), run[2]];
        run = [digit, digit, next];
      }
    }
    if (run) yield [String(run[0]), String(run[1]), run[2]];
  }

  private mayEnd({ at, low, high, rest }: State): boolean {
    const { limits, length, divisor, scale } = this;
    const behind = at - length;
    // Digits that were not written are zeros.
    if (low && (limits.above || hasDigits(this.low, behind))) return false;
    if (high && limits.below && !hasDigits(this.high!, behind)) return false;
    for (let i = behind; i < scale; i++) rest = (rest * 10) % divisor;
    return rest === 0;
  }
}

function digitAt({ whole, fraction }: Bound, at: number, length: number): number {
  const text = at < length ? whole[at] : fraction[at - length];
  return Number(text ?? 0);
}

/** Whether a bound has digits other than 0 behind the first `from` of its fraction. */
function hasDigits({ fraction }: Bound, from: number): boolean {
  return /[1-9]/.test(fraction.slice(from));
}
