/**
 * How a chat template lets its model call tools. Where it knows nothing of them, they are described in the system
 * message in Hermes' format, and calls and results are written out as the families that know it do.
 */
import type { JsonObject } from '../formats/checkpoint.js';

/** Calls as JSON (Qwen2.5, Qwen3; NousResearch's Hermes), or as XML (Qwen3-Coder, Qwen3.5). */
export type CallFormat = 'hermes' | 'xml';

/** The format that a template's text shows; undefined where it announces no tools or in another format. */
export function callFormat(template: string): CallFormat | undefined {
  if (!/\btools\b/.test(template) || !template.includes('<tool_call>')) return undefined;
  return template.includes('<function=') ? 'xml' : 'hermes';
}

/** A message as templates get it. */
export interface PlainMessage {
  role: string;
  content: string;
  reasoning_content?: string;
  tool_calls?: readonly { function: { name: string; arguments: unknown } }[];
}

/** The same conversation without tools in it, other than as text. */
export function toolsAsText(messages: readonly PlainMessage[], tools: readonly JsonObject[] = []): PlainMessage[] {
  const all: PlainMessage[] = [];
  let results = false;
  for (const { tool_calls: calls = [], ...message } of messages) {
    if (message.role === 'tool') {
      const result = `<tool_response>\n${message.content}\n</tool_response>`;
      const last = all.at(-1);
      if (results && last) last.content += `\n${result}`;
      else all.push({ role: 'user', content: result });
      results = true;
      continue;
    }
    results = false;
    const texts = calls.map(({ function: { name, arguments: given } }) => {
      const call = `{"name": ${JSON.stringify(name)}, "arguments": ${JSON.stringify(given)}}`;
      return `<tool_call>\n${call}\n</tool_call>`;
    });
    all.push({ ...message, content: [message.content, ...texts].filter((text) => text !== '').join('\n') });
  }
  if (tools.length === 0) return all;
  const described = describe(tools);
  if (all[0]?.role !== 'system') return [{ role: 'system', content: described }, ...all];
  return [{ ...all[0], content: `${all[0].content}\n\n${described}` }, ...all.slice(1)];
}

function describe(tools: readonly JsonObject[]): string {
  return `These tools are at your service, one a line:
<tools>
${tools.map((tool) => JSON.stringify(tool)).join('\n')}
</tools>

You use a tool by writing a call of it, a JSON object with its name and arguments between tags, like this:
<tool_call>
{"name": "name of the tool", "arguments": {"name of an argument": "its value"}}
</tool_call>
Several calls may follow each other. Their results come back between <tool_response> and </tool_response>.`;
}
