/**
 * Whether the model thinks first, and how much: Qwen's `enable_thinking` and `thinking_budget`, also inside
 * `chat_template_kwargs`, or OpenAI's `reasoning_effort`.
 */
import { z } from 'zod';
import type { ChatOptions } from '../../generate/api.js';

export const efforts = z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']);

/** Most tokens of thinking; what is not here has no bound of its own. */
const BUDGETS: Readonly<Record<string, number>> = { minimal: 256, low: 1024, medium: 4096 };

const budget = z.int().min(0);
export const thinkingFields = {
  enable_thinking: z.boolean().nullish(),
  thinking_budget: budget.nullish(),
  reasoning_effort: efforts.nullish(),
  chat_template_kwargs: z
    .object({ enable_thinking: z.boolean().nullish(), thinking_budget: budget.nullish() })
    .nullish(),
};

export type ThinkingRequest = { [Field in keyof typeof thinkingFields]?: z.infer<(typeof thinkingFields)[Field]> };
export type ThinkingOptions = Pick<ChatOptions, 'think' | 'thinkingBudget'>;

/** Qwen's own fields go before the effort. Nothing for a model that cannot think. */
export function thinkingOptions(request: ThinkingRequest, canThink: boolean): ThinkingOptions {
  if (!canThink) return {};
  const { chat_template_kwargs: template, reasoning_effort: effort } = request;
  const think = request.enable_thinking ?? template?.enable_thinking ?? (effort ? effort !== 'none' : undefined);
  const most = request.thinking_budget ?? template?.thinking_budget ?? (effort ? BUDGETS[effort] : undefined);
  if (think === false || most === 0) return { think: false };
  return {
    ...(typeof think === 'boolean' || most !== undefined ? { think: true } : {}),
    ...(most !== undefined ? { thinkingBudget: most } : {}),
  };
}
