/** Function calls in an answer, and whether they are those that were expected. */
import type { Json } from '../formats/checkpoint.js';
import type { ToolCall } from '../tokenizer/chat-template.js';

/**
 * The calls that a text holds: JSON between <tool_call> tags, or a text that is nothing but such JSON. What is no
 * call (broken JSON, no name) is undefined in the list.
 */
export function callsIn(text: string): (ToolCall | undefined)[] {
  const tagged = [...text.matchAll(/<tool_call>([\s\S]*?)(?:<\/tool_call>|$)/g)].map(([, inner]) => inner!);
  if (tagged.length > 0) return tagged.map(parseCall);
  const bare = parseCall(text);
  return bare ? [bare] : [];
}

/** A call as `callsIn` reads it; `given`: the arguments' JSON. */
export function callText(name: string, given: string): string {
  return `<tool_call>\n{"name": ${JSON.stringify(name)}, "arguments": ${given}}\n</tool_call>`;
}

function parseCall(text: string): ToolCall | undefined {
  const value = parse(text) as { name?: unknown; arguments?: unknown } | null | undefined;
  if (typeof value !== 'object' || value === null || typeof value.name !== 'string') return undefined;
  const given = typeof value.arguments === 'string' ? parse(value.arguments) : value.arguments;
  return { name: value.name, arguments: (given ?? {}) as Json };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Same calls in any order: `names` compares only which functions are called. */
export function sameCalls(
  said: readonly (ToolCall | undefined)[],
  expected: readonly ToolCall[],
): { names: boolean; all: boolean } {
  return {
    names: pairUp(said, expected, (a, b) => a.name === b.name),
    all: pairUp(said, expected, (a, b) => a.name === b.name && sameJson(a.arguments, b.arguments)),
  };
}

function pairUp(
  said: readonly (ToolCall | undefined)[],
  expected: readonly ToolCall[],
  same: (a: ToolCall, b: ToolCall) => boolean,
): boolean {
  if (said.length !== expected.length) return false;
  const left = [...expected];
  return said.every((call) => {
    const found = call ? left.findIndex((other) => same(call, other)) : -1;
    if (found >= 0) left.splice(found, 1);
    return found >= 0;
  });
}

/** Equal values; the order of fields does not matter, nor white space around texts. */
function sameJson(a: Json, b: Json): boolean {
  if (typeof a === 'string' && typeof b === 'string') return a.trim() === b.trim();
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [ofA, ofB] = [a as Record<string, Json>, b as Record<string, Json>];
  const keys = Object.keys(ofA);
  if (keys.length !== Object.keys(ofB).length) return false;
  return keys.every((key) => Object.hasOwn(ofB, key) && sameJson(ofA[key]!, ofB[key]!));
}
