/** Reads settings from YAML (JSON too) and flags; every fault is named with its line, or its flag. */
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import type { z } from 'zod';
import { KaiwenError } from '../errors.js';
import { readText } from '../formats/file.js';
import { type Complaint, contradictions, TrainConfig } from './config.js';
import { nearest } from './nearest.js';

type Path = readonly (string | number)[];

/** A setting that a flag gives; wins over the file. */
export interface FlagSetting {
  /** As typed, for messages. */
  flag: string;
  path: readonly string[];
  value: unknown;
}

interface Sources {
  file?: string;
  document?: Document;
  lines: LineCounter;
  flags: readonly FlagSetting[];
}

/** Settings of a file, or none, and flags. Throws KaiwenError 'usage' that names the first fault and counts the others. */
export function readConfig(file: string | undefined, flags: readonly FlagSetting[] = []): TrainConfig {
  const lines = new LineCounter();
  const document = file === undefined ? undefined : parseFile(file, lines);
  const settings = (document?.toJS() ?? {}) as Record<string, unknown>;
  for (const { path, value } of flags) put(settings, path, value);
  // A length that a flag gives takes the place of the file's, in whichever of the two it is given.
  for (const [given, other] of [
    ['steps', 'epochs'],
    ['epochs', 'steps'],
  ]) {
    if (hasFlag(flags, given) && !hasFlag(flags, other)) delete settings[other];
  }
  const sources = { file, document, lines, flags };
  const parsed = TrainConfig.safeParse(settings);
  if (!parsed.success) throw refusal(parsed.error.issues.flatMap(explain), sources);
  const complaints = contradictions(parsed.data);
  if (complaints.length > 0) throw refusal(complaints, sources);
  return parsed.data;
}

function parseFile(file: string, lines: LineCounter): Document {
  const text = readText(file);
  if (text === undefined) {
    throw new KaiwenError('not_found', `${file}: no such file.`, { remedy: 'Give the path of a YAML file.' });
  }
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error) throw usage(`${file}:${lines.linePos(error.pos[0]).line}: ${error.message}`);
  if (document.contents !== null && !isMap(document.contents)) throw usage(`${file}:1: not a list of "key: value".`);
  return document;
}

function hasFlag(flags: readonly FlagSetting[], key: string): boolean {
  return flags.some(({ path }) => path.length === 1 && path[0] === key);
}

function put(settings: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (rest.length === 0) settings[key] = value;
  else {
    const inner = settings[key];
    const object = typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? inner : {};
    put((settings[key] = { ...object }) as Record<string, unknown>, rest, value);
  }
}

function explain(issue: z.core.$ZodIssue): Complaint[] {
  const path = issue.path as Path;
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(path);
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
      if (issue.origin === 'string') return 'must not be empty';
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
function keysAt(path: Path): string[] {
  let schema: unknown = TrainConfig;
  for (const key of path) schema = shapeOf(schema)?.[key];
  return Object.keys(shapeOf(schema) ?? {});
}

function shapeOf(schema: unknown): Record<string | number, unknown> | undefined {
  let inner = schema as { shape?: Record<string, unknown>; unwrap?: () => unknown } | undefined;
  while (inner && !inner.shape && inner.unwrap) inner = inner.unwrap() as typeof inner;
  return inner?.shape;
}

function refusal(complaints: readonly Complaint[], sources: Sources): KaiwenError {
  const [first] = complaints;
  const more = complaints.length > 1 ? ` (and ${complaints.length - 1} more)` : '';
  return usage(
    `${where(first.path, sources)}: ${first.message}${more}${first.message.endsWith('?') && !more ? '' : '.'}`,
  );
}

function where(path: Path, { file, document, lines, flags }: Sources): string {
  const name = path.join('.');
  const flag = flags.find((setting) => path.every((key, i) => i >= setting.path.length || key === setting.path[i]));
  if (flag) return flag.flag.startsWith('--set') ? name : flag.flag;
  const offset = document && offsetOf(document, path);
  if (!file) return name;
  return `${file}${offset === undefined ? '' : `:${lines.linePos(offset).line}`}: ${name}`;
}

/** Where the key of a path stands, or the nearest part of it that is there. */
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

function usage(message: string): KaiwenError {
  return new KaiwenError('usage', message, { remedy: '`kaiwen train --help` explains the settings.' });
}
