/** A JSON Schema as a document: where each part stands, and what references mean. */
import { KaiwenError } from '../../../errors.js';
import type { Json, JsonObject } from '../../../formats/checkpoint.js';
import { parseJson } from '../../../formats/json.js';

export type Schema = boolean | JsonObject;

const PARTS = 50_000;
/** Schemas joined from others, for each of which there is a rule. */
const JOINED = 20_000;

export class Document {
  readonly root: Schema;
  private readonly pointers = new Map<JsonObject, string>();
  private readonly anchors = new Map<string, JsonObject>();
  private readonly ids = new Map<JsonObject, number>();
  private readonly joined = new Map<string, JsonObject>();
  private readonly leaves = new WeakMap<JsonObject, readonly JsonObject[]>();

  /** Throws KaiwenError 'bad_input' where `text` is no JSON or no schema. */
  constructor(text: string) {
    let root: unknown;
    try {
      root = parseJson(text);
    } catch (cause) {
      throw new KaiwenError('bad_input', `The schema is not JSON: ${(cause as Error).message}.`, { cause });
    }
    this.root = this.schema(root as Json, '#');
    this.index(root as Json, '#', '');
  }

  /** A value as a schema. */
  schema(value: Json | undefined, at: string): Schema {
    if (typeof value === 'boolean' || isObject(value)) return value;
    throw new KaiwenError('bad_input', `The schema at ${at} is neither an object nor a boolean.`);
  }

  /** Where a schema stands, as a JSON pointer. */
  pointer(schema: JsonObject): string {
    return this.pointers.get(schema) ?? '#';
  }

  /** What a reference stands for. Throws KaiwenError 'unsupported' where it leads out of the document. */
  resolve(reference: Json, at: string): Schema {
    if (typeof reference !== 'string') throw new KaiwenError('bad_input', `The reference at ${at} is not a text.`);
    const known = this.anchors.get(reference);
    if (known) return known;
    const hash = reference.indexOf('#');
    const base = hash > 0 ? this.anchors.get(reference.slice(0, hash)) : this.root;
    if (hash < 0 || base === undefined) {
      throw new KaiwenError('unsupported', `${at} refers to ${reference.slice(0, 200)}, which is not in the schema.`, {
        remedy: 'Put what it refers to under $defs.',
      });
    }
    const fragment = reference.slice(hash + 1);
    let value: Json | undefined = base;
    for (const step of fragment === '' ? [] : fragment.replace(/^\//, '').split('/')) {
      const name = decode(step).replace(/~1/g, '/').replace(/~0/g, '~');
      value =
        (isObject(value) || Array.isArray(value)) && Object.hasOwn(value, name)
          ? (value as JsonObject)[name]
          : undefined;
    }
    if (value === undefined || (fragment !== '' && !fragment.startsWith('/'))) {
      throw new KaiwenError('bad_input', `${at} refers to ${reference.slice(0, 200)}, which is not there.`);
    }
    return this.schema(value, reference);
  }

  /** What satisfies both. The same two give the same schema, so that recursion ends. */
  both(a: Schema | undefined, b: Schema | undefined): Schema {
    if (a === undefined || a === true || a === b) return b ?? true;
    if (b === undefined || b === true) return a;
    if (a === false || b === false) return false;
    const parts = new Set([...(this.leaves.get(a) ?? [a]), ...(this.leaves.get(b) ?? [b])]);
    const list = [...parts].sort((x, y) => this.id(x) - this.id(y));
    const key = list.map((part) => this.id(part)).join();
    const known = this.joined.get(key);
    if (known) return known;
    if (this.joined.size >= JOINED) throw new KaiwenError('unsupported', 'The schema joins too many others.');
    const joined: JsonObject = { allOf: list };
    this.leaves.set(joined, list);
    this.pointers.set(joined, this.pointer(a));
    this.joined.set(key, joined);
    return joined;
  }

  private id(schema: JsonObject): number {
    const id = this.ids.get(schema) ?? this.ids.size;
    this.ids.set(schema, id);
    return id;
  }

  private index(value: Json, at: string, base: string): void {
    if (this.pointers.size > PARTS) {
      throw new KaiwenError('bad_input', `The schema has more than ${PARTS} parts.`, { remedy: 'Make it smaller.' });
    }
    if (Array.isArray(value)) {
      for (const [i, item] of value.entries()) this.index(item, `${at}/${i}`, base);
    } else if (isObject(value)) {
      this.pointers.set(value, at);
      const { $id } = value;
      if (typeof $id === 'string') {
        base = resolveUrl($id, base);
        this.anchors.set($id, value);
        this.anchors.set(base, value);
      }
      for (const anchor of [value.$anchor, value.$dynamicAnchor]) {
        if (typeof anchor !== 'string') continue;
        for (const name of [`#${anchor}`, `${base}#${anchor}`])
          if (!this.anchors.has(name)) this.anchors.set(name, value);
      }
      for (const [name, item] of Object.entries(value)) {
        // Values, not schemas.
        if (name === 'enum' || name === 'const' || name === 'default' || name === 'examples') continue;
        this.index(item, `${at}/${name.replace(/~/g, '~0').replace(/\//g, '~1')}`, base);
      }
    }
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function resolveUrl(id: string, base: string): string {
  try {
    return new URL(id, base === '' ? undefined : base).href;
  } catch {
    return id;
  }
}
