/**
 * Functions that the model may call: `tools` and `tool_choice`, or their ancestors `functions` and `function_call`,
 * which allow one call an answer.
 */
import { z } from 'zod';
import type { JsonObject } from '../../formats/checkpoint.js';
import type { ChatOptions } from '../../generate/api.js';
import { invalidValue, jsonObject, list } from '../fields.js';

const NAME = /^[a-zA-Z0-9_.-]{1,128}$/;
export const functionName = z.string().regex(NAME, 'expected 1 to 128 letters, digits, _, - and .');

const definition = z.object({
  name: functionName,
  description: z.string().nullish(),
  parameters: jsonObject.nullish(),
  strict: z.boolean().nullish(),
});
export type FunctionDefinition = z.infer<typeof definition>;

const MOST = 128;
export const few = <T>(all: readonly T[]): boolean => all.length <= MOST;

const tool = z.object({ type: z.literal('function', 'only functions are supported'), function: definition });
const named = z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) });
const allowed = z.object({
  type: z.literal('allowed_tools'),
  allowed_tools: z.object({
    mode: z.enum(['auto', 'required']),
    tools: list(named, 'expected an array of tools').refine(few, `expected at most ${MOST} tools`),
  }),
});

export const toolFields = {
  tools: list(tool, 'expected an array of tools').refine(few, `expected at most ${MOST} tools`).nullish(),
  tool_choice: z
    .union(
      [z.enum(['none', 'auto', 'required']), named, allowed],
      "expected 'none', 'auto', 'required', a function or allowed tools",
    )
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  functions: list(definition, 'expected an array of functions')
    .refine(few, `expected at most ${MOST} functions`)
    .nullish(),
  function_call: z
    .union([z.enum(['none', 'auto']), z.object({ name: z.string() })], "expected 'none', 'auto' or a function's name")
    .nullish(),
};

export type ToolRequest = { [Field in keyof typeof toolFields]?: z.infer<(typeof toolFields)[Field]> };
export type ToolOptions = Pick<ChatOptions, 'tools' | 'toolChoice' | 'parallelToolCalls'>;

/** What the request lets the model call. Throws HttpError 400 for choices of functions that are not there. */
export function toolOptions(request: ToolRequest): ToolOptions {
  const { tools, functions, parallel_tool_calls: parallel } = request;
  if (tools?.length && functions?.length) throw invalidValue('functions', "use either 'tools' or 'functions'");
  if (functions?.length) {
    const choice = request.function_call ?? 'auto';
    const toolChoice = typeof choice === 'string' ? choice : choice.name;
    return chosen(functions, typeof choice === 'string' ? choice : { name: toolChoice }, false, 'function_call');
  }
  const definitions = tools?.map((entry) => entry.function) ?? [];
  const asked = request.tool_choice ?? 'auto';
  if (typeof asked === 'string') return chosen(definitions, asked, parallel ?? true, 'tool_choice');
  if (asked.type === 'function')
    return chosen(definitions, { name: asked.function.name }, parallel ?? true, 'tool_choice');
  const { mode, tools: some } = asked.allowed_tools;
  return allowedOf(
    definitions,
    some.map((entry) => entry.function.name),
    mode,
    parallel ?? true,
  );
}

/** Of all definitions only these may be called. */
export function allowedOf(
  definitions: readonly FunctionDefinition[],
  names: readonly string[],
  mode: 'auto' | 'required',
  parallel: boolean,
): ToolOptions {
  for (const name of names) checkNamed(definitions, name, 'tool_choice');
  const some = definitions.filter(({ name }) => names.includes(name));
  return chosen(some, mode, parallel, 'tool_choice');
}

/** The options for these definitions. `field`: what a wrong choice is reported as. */
export function chosen(
  definitions: readonly FunctionDefinition[],
  choice: NonNullable<ToolOptions['toolChoice']>,
  parallel: boolean,
  field: string,
): ToolOptions {
  const names = definitions.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw invalidValue('tools', `two functions are called '${twice}'`);
  if (typeof choice === 'object') checkNamed(definitions, choice.name, field);
  if (definitions.length === 0) {
    if (choice === 'required') throw invalidValue(field, 'there are no tools to call');
    return {};
  }
  return { tools: definitions.map(toolDefinition), toolChoice: choice, parallelToolCalls: parallel };
}

function checkNamed(definitions: readonly FunctionDefinition[], name: string, field: string): void {
  if (definitions.some((definition) => definition.name === name)) return;
  throw invalidValue(field, `there is no function '${name.slice(0, 200)}' among the tools`);
}

function toolDefinition({ name, description, parameters, strict }: FunctionDefinition): JsonObject {
  const described = description ? { description } : {};
  const bound = typeof strict === 'boolean' ? { strict } : {};
  const fields = { name, ...described, parameters: parameters ?? { type: 'object', properties: {} }, ...bound };
  return { type: 'function', function: fields as JsonObject };
}
