/** The one tool the page can run itself: an example of how a model's calls are answered. */
import { field, parse, text } from '../api/json.js';
import type { ToolCall } from '../state/types.js';
import { ArithmeticError, evaluate, show } from './arithmetic.js';

export const CALCULATOR = {
  type: 'function',
  function: {
    name: 'calculator',
    description: 'Calculates the result of an expression.',
    parameters: { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] },
  },
} as const;

/** What the tool says to a call; undefined where the call is for another tool. */
export function runCalculator(call: ToolCall): string | undefined {
  if (call.name !== CALCULATOR.function.name) return undefined;
  const expression = text(field(parse(call.arguments), 'expression'));
  if (expression === undefined) return 'error: expression is missing';
  try {
    return show(evaluate(expression));
  } catch (error) {
    if (error instanceof ArithmeticError) return `error: ${error.message}`;
    throw error;
  }
}
