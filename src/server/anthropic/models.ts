/** `GET /v1/models` for those who say they speak Anthropic's dialect: the same models in its shape. */
import type { Context } from 'hono';
import { HttpError } from '../http-error.js';
import type { ServedModel } from '../hub.js';
import type { AppEnv, Service } from '../service.js';

const LIMIT = { default: 20, most: 1000 };

/** One page of the list; `after_id` and `before_id` say where it begins or ends. Throws HttpError 400. */
export function modelPage({ hub }: Service, c: Context<AppEnv>): object {
  const limit = Number(c.req.query('limit') ?? LIMIT.default);
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT.most)
    throw new HttpError(400, 'invalid_value', `Invalid 'limit': expected 1 to ${LIMIT.most}.`, { param: 'limit' });
  const all = hub.list();
  const after = c.req.query('after_id');
  const before = c.req.query('before_id');
  const at = (id: string) => {
    const index = all.findIndex((entry) => entry.id === id);
    if (index < 0) throw new HttpError(400, 'invalid_value', 'The list of models has no such id to begin at.');
    return index;
  };
  const end = before === undefined ? all.length : at(before);
  const start = after !== undefined ? at(after) + 1 : before !== undefined ? Math.max(0, end - limit) : 0;
  const page = all.slice(start, Math.min(end, start + limit));
  return {
    data: page.map(modelInfo),
    has_more: before === undefined ? start + page.length < all.length : start > 0,
    first_id: page[0]?.id ?? null,
    last_id: page[page.length - 1]?.id ?? null,
  };
}

export function modelInfo({ id, created, info, canThink }: ServedModel): object {
  const supported = (supported: boolean) => ({ supported });
  const thinks = supported(canThink === true);
  const no = supported(false);
  return {
    type: 'model',
    id,
    display_name: id,
    created_at: new Date(created * 1000).toISOString(),
    lifecycle: 'active',
    line: null,
    deprecated_at: null,
    retires_at: null,
    max_input_tokens: info?.context ?? null,
    max_tokens: info?.context ?? null,
    capabilities: {
      batch: no,
      citations: no,
      code_execution: no,
      context_management: {
        supported: false,
        clear_thinking_20251015: no,
        clear_tool_uses_20250919: no,
        compact_20260112: no,
      },
      effort: { ...thinks, low: thinks, medium: thinks, high: thinks, xhigh: thinks, max: thinks },
      image_input: no,
      pdf_input: no,
      server_tools: { supported: false, code_execution: no, web_search: no },
      structured_outputs: supported(true),
      thinking: {
        ...thinks,
        types: { adaptive: thinks, enabled: thinks, disabled: supported(true), between_tools: no },
      },
    },
  };
}
