/** A conversation and the settings as the body of a chat completion. */
import { CALCULATOR } from '../tools/calculator.js';
import type { Conversation, Message, Settings } from './types.js';

/** `path`: the messages up to the one that is to be answered. */
export function requestBody(
  model: string | undefined,
  { system }: Pick<Conversation, 'system'>,
  path: readonly Message[],
  { sampling, calculator }: Pick<Settings, 'sampling' | 'calculator'>,
): object {
  const { temperature, topP, topK, maxTokens, seed, thinking, thinkingBudget } = sampling;
  const body: Record<string, unknown> = {
    model,
    messages: [...(system.trim() ? [{ role: 'system', content: system }] : []), ...path.flatMap(wireMessage)],
    temperature,
    top_p: topP,
    top_k: topK,
    max_completion_tokens: maxTokens,
    seed,
    enable_thinking: thinking,
    thinking_budget: thinking === false ? undefined : thinkingBudget,
    tools: calculator ? [CALCULATOR] : undefined,
  };
  return body;
}

function wireMessage({ role, content, thinking, toolCalls, toolCallId }: Message): object[] {
  if (role === 'tool') return [{ role, content, tool_call_id: toolCallId }];
  if (role === 'user') return [{ role, content }];
  // An answer that failed before its first word says nothing to the model.
  if (content === '' && !toolCalls) return [];
  const calls = toolCalls?.map(({ id, name, arguments: given }) => ({
    id,
    type: 'function',
    function: { name, arguments: given },
  }));
  return [{ role, content, reasoning_content: thinking || undefined, tool_calls: calls }];
}
