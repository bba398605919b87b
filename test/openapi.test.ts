import { describe, expect, it } from 'vitest';
import { createApp } from '../src/server/app.js';
import { scriptedModel } from './scripted-engine.js';

interface Operation {
  operationId: string;
  tags: string[];
  summary: string;
  parameters?: { name: string; in: string }[];
  requestBody?: { content: Record<string, { schema: unknown }> };
  responses: Record<string, unknown>;
}
interface Document {
  openapi: string;
  info: { title: string; version: string };
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown> };
}

const app = createApp(scriptedModel('Hi').model);
const local = { headers: { host: 'localhost' } };
const document = (await (await app.request('http://localhost/openapi.json', local)).json()) as Document;
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === '$ref' && typeof inner === 'string' ? [inner] : references(inner),
  );
}

describe('the OpenAPI document', () => {
  it('has every route that is mounted, and no other', () => {
    // The page's files are no interface.
    const page = /^\/(?!openapi\.json).*\.\w+$/;
    const mounted = app.routes
      .filter(({ method, path }) => method !== 'ALL' && !path.includes('*') && !page.test(path))
      .map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)(\{[^}]*\})?/g, '{$1}')}`);
    const described = operations.map(({ method, path }) => `${method} ${path}`);
    expect([...new Set(described)].sort()).toEqual([...new Set(mounted)].sort());
  });

  it('is sound: ids are unique, parameters are those of the path, references lead somewhere', () => {
    expect(document.openapi).toBe('3.1.0');
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const tags = document.tags.map(({ name }) => name);
    for (const { path, method, operation } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect((operation.parameters ?? []).map(({ name }) => name)).toEqual(inPath);
      expect(operation.summary.length, `${method} ${path}`).toBeGreaterThan(3);
      expect(Object.keys(operation.responses)).toContain('200');
      for (const tag of operation.tags) expect(tags).toContain(tag);
    }
    for (const reference of references(document)) {
      const [root, ...keys] = reference.split('/');
      expect(root).toBe('#');
      let at: unknown = document;
      for (const key of keys) at = (at as Record<string, unknown>)?.[key.replace(/~1/g, '/').replace(/~0/g, '~')];
      expect(at, reference).toBeDefined();
    }
  });

  it('describes what routes take', () => {
    const { requestBody } = document.paths['/v1/chat/completions'].post;
    const [reference] = references(requestBody);
    const schema = document.components.schemas[reference.split('/').at(-1)!] as { properties: object };
    expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(['messages', 'stream', 'temperature']));
  });

  it('is also a page that loads nothing', async () => {
    const response = await app.request('http://localhost/docs', local);
    const html = await response.text();
    for (const { path } of operations) expect(html).toContain(path);
    expect(html).not.toMatch(/<script|src=|@import|https?:/);
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
  });
});
