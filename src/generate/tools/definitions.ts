/** The functions that an answer may call, as clients define them: OpenAI's shape. */
import { KaiwenError } from '../../errors.js';
import type { Json, JsonObject } from '../../formats/checkpoint.js';

export interface Tool {
  name: string;
  /** JSON Schema of its arguments, which are an object. */
  parameters: JsonObject;
}

/** What both call formats can carry between their tags. */
const NAME = /^[\p{L}\p{N}_.:/-]{1,128}$/u;
const REMEDY = 'Define each as { "type": "function", "function": { "name", "description", "parameters" } }.';

/** Throws KaiwenError 'bad_input' on anything that is no function, a name that cannot be called, or one given twice. */
export function readTools(definitions: readonly JsonObject[]): Tool[] {
  const seen = new Set<string>();
  return definitions.map((definition, i) => {
    // Some write the function without a wrapper.
    const described = isObject(definition) ? (definition.function ?? definition) : undefined;
    if (!isObject(described) || (definition.type !== undefined && definition.type !== 'function')) {
      throw new KaiwenError('bad_input', `Tool ${i} is not a function.`, { remedy: REMEDY });
    }
    const { name, parameters } = described;
    if (typeof name !== 'string' || !NAME.test(name)) {
      throw new KaiwenError('bad_input', `Tool ${i} has no name that can be called.`, {
        remedy: 'Names are up to 128 letters, digits and any of _ - . : /',
      });
    }
    if (seen.has(name)) throw new KaiwenError('bad_input', `Two tools have the name "${name}".`);
    seen.add(name);
    if (parameters !== undefined && parameters !== null && !isObject(parameters)) {
      throw new KaiwenError('bad_input', `The parameters of the tool "${name}" are not an object.`, {
        remedy: 'Give a JSON Schema of type object.',
      });
    }
    return { name, parameters: argumentsSchema(parameters, name) };
  });
}

/** Of a tool without parameters, that there are none. */
function argumentsSchema(schema: JsonObject | null | undefined, name: string): JsonObject {
  if (!schema || Object.keys(schema).length === 0) {
    return { type: 'object', properties: {}, additionalProperties: false };
  }
  const { type } = schema;
  if (type === undefined && ['$ref', 'anyOf', 'oneOf', 'allOf'].some((key) => key in schema)) return schema;
  if (type === undefined || (Array.isArray(type) ? type.includes('object') : type === 'object')) {
    return { ...schema, type: 'object' };
  }
  throw new KaiwenError('bad_input', `The parameters of the tool "${name}" are not of type object.`, {
    remedy: 'Give a JSON Schema of type object.',
  });
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
