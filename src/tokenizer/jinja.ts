/**
 * Runs Jinja templates with `@huggingface/jinja`, within bounds: a template comes from a model's file, and a loop in
 * a loop in a loop must not hang or fill the program. The library's types do not resolve under Node's module rules,
 * so what is used of it is declared here.
 */
import * as library from '@huggingface/jinja';

/** A parsed template; see template-literals.ts for what is changed in it. */
export type Program = object;

interface Environment {
  set(name: string, value: unknown): void;
}

const { Environment, Interpreter, parse, tokenize } = library as unknown as {
  Environment: new () => Environment;
  Interpreter: new (
    environment: Environment,
  ) => { run(program: Program): { value: unknown }; evaluate(statement: unknown, environment: Environment): unknown };
  parse(tokens: unknown): Program;
  tokenize(source: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }): unknown;
};

const MAX_RANGE = 100_000;
const MAX_CHARS = 64 * 2 ** 20;
const MAX_ITEMS = 1_000_000;

/** The template itself refused: it called `raise_exception`. */
export class TemplateRefusal extends Error {}

/** Throws the library's error on bad syntax. Blocks eat the newline after them and the indentation before, as chat templates expect. */
export function parseTemplate(source: string): Program {
  return parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
}

/** Throws what the template raises, and an Error when it evaluates more than `maxSteps` nodes (a microsecond or two each). */
export function runTemplate(program: Program, variables: Record<string, unknown>, maxSteps: number): string {
  const environment = new Environment();
  for (const [name, value] of Object.entries({ ...globals, ...variables })) environment.set(name, value);
  const text = String(new BoundedInterpreter(environment, maxSteps).run(program).value);
  if (text.length > MAX_CHARS) throw new Error(`it wrote ${text.length} characters`);
  return text;
}

class BoundedInterpreter extends Interpreter {
  #left: number;

  constructor(environment: Environment, maxSteps: number) {
    super(environment);
    this.#left = maxSteps;
  }

  override evaluate(statement: unknown, environment: Environment): unknown {
    const { type, body } = (statement ?? {}) as { type?: string; body?: object[] };
    // A loop over nothing takes its steps too.
    if (type === 'For' && body?.length === 0) body.push({ type: 'Comment' });
    if (--this.#left < 0) throw new Error('it takes too many steps');
    const result = super.evaluate(statement, environment);
    const { value } = (result ?? {}) as { value?: unknown };
    const long =
      typeof value === 'string' ? value.length > MAX_CHARS : Array.isArray(value) && value.length > MAX_ITEMS;
    if (long) throw new Error('it makes too long a value');
    return result;
  }
}

const globals = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  raise_exception(message: unknown) {
    throw new TemplateRefusal(String(message));
  },
  range(...bounds: unknown[]) {
    // Keyword arguments come last, as a map.
    const [first, second, step = 1] = bounds.filter((bound) => typeof bound === 'number');
    const [start, stop] = second === undefined ? [0, first] : [first, second];
    const length = Math.max(0, Math.ceil((stop - start) / step));
    if (!(length <= MAX_RANGE)) throw new Error(`range() of ${length} is more than ${MAX_RANGE}`);
    return Array.from({ length }, (_, i) => start + i * step);
  },
  /** Today's date; the fields of C's strftime that templates use. */
  strftime_now(format: string) {
    const now = new Date();
    const two = (n: number) => String(n).padStart(2, '0');
    const fields: Record<string, string> = {
      Y: String(now.getFullYear()),
      m: two(now.getMonth() + 1),
      d: two(now.getDate()),
      b: now.toLocaleString('en-US', { month: 'short' }),
      B: now.toLocaleString('en-US', { month: 'long' }),
      A: now.toLocaleString('en-US', { weekday: 'long' }),
      H: two(now.getHours()),
      M: two(now.getMinutes()),
      S: two(now.getSeconds()),
    };
    return format.replace(/%([YmdbBAHMS])/g, (_, field: string) => fields[field]);
  },
};
