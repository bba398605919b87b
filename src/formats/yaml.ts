/** Settings that people write, in YAML (JSON too), checked against a schema; every fault is named with its line. */
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import type { z } from 'zod';
import { KaiwenError } from '../errors.js';
import { nearest } from './nearest.js';

export type Path = readonly (string | number)[];

/** What is wrong with the value at a path. */
export interface Complaint {
  path: Path;
  message: string;
}

export interface YamlText {
  /** What the text says; null for an empty one. */
  readonly value: unknown;
  readonly isMap: boolean;
  /** The line, from 1, where the key of a path stands, or the nearest part of it that is there. */
  lineOf(path: Path): number | undefined;
}

/** Throws KaiwenError 'usage' that names `file` and the line. */
export function parseYaml(file: string, text: string): YamlText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error) throw new KaiwenError('usage', `${file}:${lines.linePos(error.pos[0]).line}: ${error.message}`);
  let value: unknown;
  try {
    value = document.toJS();
  } catch (cause) {
    // Aliases that would grow without end.
    throw new KaiwenError('usage', `${file}: ${(cause as Error).message}`, { cause });
  }
  return {
    value,
    isMap: isMap(document.contents),
    lineOf(path) {
      const offset = offsetOf(document, path);
      return offset === undefined ? undefined : lines.linePos(offset).line;
    },
  };
}

/** The text's value as `schema` reads it. Throws KaiwenError 'usage' with the first fault and the number of others. */
export function checkYaml<S extends z.ZodType>(file: string, text: string, schema: S): z.output<S> {
  const yaml = parseYaml(file, text);
  const parsed = schema.safeParse(yaml.value);
  if (parsed.success) return parsed.data;
  const complaints = complaintsOf(parsed.error, schema);
  const [{ path, message }] = complaints;
  const line = yaml.lineOf(path);
  const where = [line === undefined ? file : `${file}:${line}`, ...(path.length > 0 ? [path.join('.')] : [])].join(
    ': ',
  );
  const more = complaints.length > 1 ? ` (and ${complaints.length - 1} more)` : '';
  throw new KaiwenError('usage', `${where}: ${message}${more}`);
}

/** A schema's refusal in words: a key that does not exist, one that is missing, a value that makes no sense. */
export function complaintsOf(error: z.ZodError, schema: z.ZodType): Complaint[] {
  return error.issues.flatMap((issue) => explain(issue, schema));
}

function explain(issue: z.core.$ZodIssue, schema: z.ZodType): Complaint[] {
  const path = issue.path as Path;
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(path, schema);
    return issue.keys.map((key) => {
      const guess = nearest(key, known);
      return { path: [...path, key], message: `no such key${guess ? `; did you mean ${guess}?` : ''}` };
    });
  }
  if (issue.code === 'invalid_type' && issue.input === undefined && issue.message.includes('received undefined')) {
    return [{ path, message: 'is missing' }];
  }
  return [{ path, message: inWords(issue) }];
}

const TYPES: Record<string, string> = {
  ...{ number: 'a number', int: 'a whole number', string: 'a text', boolean: 'true or false' },
  ...{ array: 'a list', tuple: 'a list', object: 'a group of "key: value"', record: 'a group of "key: value"' },
};

/** What is wrong with a value, as one would say it. */
function inWords(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${TYPES[issue.expected] ?? issue.expected}`;
    case 'too_small':
    case 'too_big': {
      const small = issue.code === 'too_small';
      const limit = small ? issue.minimum : issue.maximum;
      if (issue.origin === 'array') return `must be a list of at ${small ? 'least' : 'most'} ${limit}`;
      if (issue.origin === 'string') {
        return small && limit === 1
          ? 'must not be empty'
          : `must have at ${small ? 'least' : 'most'} ${limit} characters`;
      }
      const bound = small ? ['more than', 'at least'] : ['less than', 'at most'];
      return `must be ${bound[issue.inclusive ? 1 : 0]} ${limit}`;
    }
    case 'invalid_value':
      return `must be ${issue.values.join(', ').replace(/, ([^,]*)$/, ' or $1')}`;
    default:
      return issue.message;
  }
}

/** Names of the settings at a path of the schema. */
function keysAt(path: Path, from: z.ZodType): string[] {
  let schema: unknown = from;
  for (const key of path) {
    const inner = unwrapped(schema);
    schema = inner?.element ?? inner?.shape?.[key];
  }
  return Object.keys(unwrapped(schema)?.shape ?? {});
}

interface Schema {
  shape?: Record<string | number, unknown>;
  /** Of a list. */
  element?: unknown;
  unwrap?: () => unknown;
}

function unwrapped(schema: unknown): Schema | undefined {
  let inner = schema as Schema | undefined;
  while (inner && !inner.shape && !inner.element && inner.unwrap) inner = inner.unwrap() as Schema;
  return inner;
}

function offsetOf(document: Document, path: Path): number | undefined {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => (isScalar(item.key) ? item.key.value : item.key) === key);
      if (!pair) break;
      offset = (pair.key as Node | undefined)?.range?.[0] ?? offset;
      node = pair.value;
    } else {
      node = (node as { get?: (key: unknown, keep: boolean) => unknown } | null)?.get?.(key, true);
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    }
  }
  return offset;
}
