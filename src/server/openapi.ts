/** What the server answers, as an OpenAPI 3.1 document and as a page for people; both of the routes' own descriptions. */
import { createHash } from 'node:crypto';
import type { Hono } from 'hono';
import { z } from 'zod';
import type { Protocol } from './protocol.js';
import type { RouteDoc } from './route-doc.js';
import type { AppEnv } from './service.js';

interface TaggedRoute extends RouteDoc {
  tag: string;
}

type Json = Record<string, unknown>;

/** Routes of the server itself. */
const OPERATION: readonly RouteDoc[] = [
  { method: 'get', path: '/', summary: 'The chat page' },
  { method: 'get', path: '/health', summary: 'Whether the server lives: 200, or 503 once it stops. Needs no key' },
  {
    method: 'get',
    path: '/ready',
    summary: 'Whether the models that must be loaded are: 200, or 503 and their names. Needs no key',
  },
  { method: 'get', path: '/stats', summary: 'What the server has done since it started' },
  { method: 'get', path: '/metrics', summary: 'Metrics in the text format of Prometheus' },
  { method: 'get', path: '/openapi.json', summary: 'This document. Needs no key' },
  { method: 'get', path: '/docs', summary: 'This document as a page. Needs no key' },
];

/** Adds `/openapi.json` and `/docs`. Both are made when they are first asked for. */
export function mountOpenApi(app: Hono<AppEnv>, protocols: readonly Protocol[]): void {
  const routes = () => [
    ...protocols.flatMap(({ name, docs }) => docs.map((doc) => ({ ...doc, tag: name }))),
    ...OPERATION.map((doc) => ({ ...doc, tag: 'operation' })),
  ];
  const document = once(() => openApi(routes()));
  const page = once(() => docsPage(routes(), document()));
  app.get('/openapi.json', (c) => c.json(document()));
  app.get('/docs', (c) =>
    c.html(page(), 200, {
      'content-security-policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; frame-ancestors 'none'`,
      'x-content-type-options': 'nosniff',
    }),
  );
}

/** The OpenAPI document of some routes. */
export function openApi(routes: readonly TaggedRoute[]): Json {
  const schemas: Record<string, unknown> = {};
  /** Routes that take the same share its name. */
  const names = new Map<z.ZodType, string>();
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const id = operationId(route);
    const reference = (schema: z.ZodType, suffix: string) => {
      const name = names.get(schema) ?? `${id}${suffix}`;
      names.set(schema, name);
      const $ref = `#/components/schemas/${name}`;
      schemas[name] ??= jsonSchema(schema, $ref);
      return { $ref };
    };
    const request = route.body ? reference(route.body, 'Request') : undefined;
    const response = route.response ? reference(route.response, 'Response') : undefined;
    paths[route.path] ??= {};
    paths[route.path][route.method] = operation(route, id, request, response);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Kaiwen', version: '1', description: 'Language models over HTTP, in several dialects.' },
    servers: [{ url: '/' }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    security: [{ bearer: [] }, { header: [] }, {}],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        header: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
      schemas,
    },
  };
}

const STREAMS = { sse: 'text/event-stream', ndjson: 'application/x-ndjson' } as const;

function operation(route: TaggedRoute, operationId: string, request?: Json, response?: Json): Json {
  const { path, summary, description, tag, stream, multipart } = route;
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const content = {
    ...(tag === 'operation' && !response ? {} : { 'application/json': { schema: response ?? {} } }),
    ...(stream && { [STREAMS[stream]]: { schema: { type: 'string' } } }),
  };
  return {
    operationId,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    ...(parameters.length > 0 && { parameters }),
    ...((request || multipart) && {
      requestBody: {
        required: true,
        content: multipart
          ? { 'multipart/form-data': { schema: request ?? { type: 'object' } } }
          : { 'application/json': { schema: request } },
      },
    }),
    responses: {
      200: { description: 'The answer', ...(Object.keys(content).length > 0 && { content }) },
      default: { description: 'What went wrong, in the shape of this protocol' },
    },
  };
}

/** `post /v1/files/{id}` is postV1FilesId. */
function operationId({ method, path }: RouteDoc): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter(Boolean);
  return method + words.map((word) => word[0].toUpperCase() + word.slice(1)).join('');
}

/** The schema as it stands at `place` in the document, where its references to itself have to point. */
function jsonSchema(schema: z.ZodType, place: string): unknown {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json;
  return moved(json, place);
}

function moved(value: unknown, place: string): unknown {
  if (Array.isArray(value)) return value.map((item) => moved(item, place));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === '$ref' && typeof inner === 'string' ? inner.replace(/^#/, place) : moved(inner, place),
    ]),
  );
}

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; text-transform: capitalize; }
article { border-top: 1px solid #8884; padding: .6rem 0; }
code, pre { font: .9rem/1.45 ui-monospace, monospace; }
h3 { margin: 0; font-size: 1rem; font-weight: 600; }
.method { display: inline-block; min-width: 4em; text-transform: uppercase; }
p { margin: .2rem 0; }
pre { overflow: auto; max-height: 30rem; background: #8881; padding: .8rem; border-radius: 6px; }
`;
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** The same routes as HTML: no script, and nothing from elsewhere. */
function docsPage(routes: readonly TaggedRoute[], document: Json): string {
  const { schemas } = document.components as { schemas: Record<string, unknown> };
  const paths = document.paths as Record<string, Record<string, unknown>>;
  const schema = ({ path, method }: RouteDoc, part: 'requestBody' | 'responses') => {
    const text = JSON.stringify((paths[path][method] as Json)[part]) ?? '';
    const name = /"#\/components\/schemas\/(\w+)"/.exec(text)?.[1];
    if (name === undefined) return '';
    const title = part === 'responses' ? 'Response' : 'Request';
    return `<details><summary>${title}</summary><pre>${escaped(JSON.stringify(schemas[name], null, 2))}</pre></details>`;
  };
  const article = (route: TaggedRoute) => {
    const id = operationId(route);
    const stream = route.stream ? `<p>Can stream: ${STREAMS[route.stream]}</p>` : '';
    const more = route.description === undefined ? '' : `<p>${escaped(route.description)}</p>`;
    return `<article id="${id}"><h3><code><span class="method">${route.method}</span> ${escaped(route.path)}</code></h3>
<p>${escaped(route.summary)}</p>${more}${stream}${schema(route, 'requestBody')}${schema(route, 'responses')}</article>`;
  };
  const section = (tag: string) =>
    `<section><h2>${escaped(tag)}</h2>${routes
      .filter((route) => route.tag === tag)
      .map(article)
      .join('\n')}</section>`;
  const tags = [...new Set(routes.map(({ tag }) => tag))];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Kaiwen: the HTTP interface</title><style>${STYLE}</style></head>
<body><h1>The HTTP interface</h1><p>For programs: <a href="/openapi.json">openapi.json</a>.</p>
${tags.map(section).join('\n')}</body></html>
`;
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
