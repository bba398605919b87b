/** A request's conversation and settings in our terms. */
import type { Json } from '../../formats/checkpoint.js';
import type { ChatMessage, ChatOptions, Model } from '../../generate/api.js';
import type { ToolCall } from '../../tokenizer/chat-template.js';
import { invalidValue } from '../fields.js';
import { chosen, type ToolOptions } from '../openai/tools.js';
import type { Block } from './blocks.js';
import type { CountRequest, MessageRequest } from './schema.js';

/**
 * The messages with the system prompt in front. Results of tools become messages of their own, in the order in which
 * they stand. Throws HttpError 400 for a result whose call is not in the conversation.
 */
export function conversation({ system, messages }: CountRequest): ChatMessage[] {
  const all: ChatMessage[] = system ? [{ role: 'system', content: system }] : [];
  const called = new Map<string, string>();
  for (const [index, { role, content }] of messages.entries()) {
    if (role === 'system') all.push({ role, content });
    else if (role === 'assistant') {
      for (const block of content) if (block.type === 'tool_use') called.set(block.id, block.name);
      all.push(assistantMessage(content));
    } else all.push(...userMessages(content, called, `messages[${index}].content`));
  }
  return all;
}

function assistantMessage(blocks: readonly Block[]): ChatMessage {
  let content = '';
  let thinking = '';
  const toolCalls: ToolCall[] = [];
  for (const block of blocks) {
    if (block.type === 'text') content += block.text;
    else if (block.type === 'thinking') thinking += block.thinking;
    else if (block.type === 'tool_use')
      toolCalls.push({ id: block.id, name: block.name, arguments: block.input as Json });
  }
  return {
    role: 'assistant',
    content,
    ...(thinking && { thinking }),
    ...(toolCalls.length > 0 && { toolCalls }),
  };
}

function userMessages(blocks: readonly Block[], called: ReadonlyMap<string, string>, at: string): ChatMessage[] {
  const messages: ChatMessage[] = [];
  let texts: string[] = [];
  const flush = (): void => {
    if (texts.length > 0) messages.push({ role: 'user', content: texts.join('\n') });
    texts = [];
  };
  for (const [index, block] of blocks.entries()) {
    if (block.type === 'text') texts.push(block.text);
    if (block.type !== 'tool_result') continue;
    flush();
    const name = called.get(block.id);
    if (name === undefined)
      throw invalidValue(
        `${at}[${index}].tool_use_id`,
        `no 'tool_use' before it has the id '${block.id.slice(0, 100)}'`,
      );
    const content = block.failed ? `Error: ${block.text}` : block.text;
    messages.push({ role: 'tool', content, toolCallId: block.id, name });
  }
  flush();
  return messages.length > 0 ? messages : [{ role: 'user', content: '' }];
}

/** Most tokens of thinking where the model decides itself; greater efforts have no bound of their own. */
const BUDGETS: Readonly<Record<string, number>> = { low: 1024, medium: 4096 };

/** What shapes the prompt: tools and thinking. Nobody thinks who was not asked to. Throws HttpError 400. */
export function promptOptions(request: CountRequest, model: Model): ToolOptions & Pick<ChatOptions, 'think'> {
  const { thinking, tool_choice: choice } = request;
  const tools = (request.tools ?? []).map(({ name, description, input_schema, strict }) => ({
    name,
    description,
    parameters: input_schema,
    strict,
  }));
  const single = choice && choice.type !== 'none' && choice.disable_parallel_tool_use === true;
  const think = thinking ? thinking.type !== 'disabled' : false;
  return { ...chosen(tools, wanted(choice), !single, 'tool_choice'), ...(model.canThink && { think }) };
}

function wanted(choice: CountRequest['tool_choice']): NonNullable<ToolOptions['toolChoice']> {
  if (!choice) return 'auto';
  if (choice.type === 'tool') return { name: choice.name };
  return choice.type === 'any' ? 'required' : choice.type;
}

/** All settings of an answer. Throws HttpError 400. */
export function chatOptions(request: MessageRequest, model: Model): ChatOptions {
  const { thinking, output_config: output, output_format } = request;
  const options: ChatOptions = { ...promptOptions(request, model), maxTokens: request.max_tokens };
  const { temperature, top_p: topP, top_k: topK, stop_sequences: stop } = request;
  const format = output?.format ?? output_format;
  if (typeof temperature === 'number') options.temperature = temperature;
  // A mass of nothing still keeps the likeliest token.
  if (typeof topP === 'number') options.topP = Math.max(topP, Number.EPSILON);
  if (typeof topK === 'number') options.topK = topK;
  if (stop) options.stop = stop;
  if (format) options.format = { type: 'json_schema', schema: format.schema as Json };
  if (!options.think || !thinking) return options;
  const budget = thinking.type === 'enabled' ? thinking.budget_tokens : BUDGETS[output?.effort ?? 'high'];
  return budget === undefined ? options : { ...options, thinkingBudget: budget };
}
