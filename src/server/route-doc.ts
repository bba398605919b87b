/** What a protocol says about one of its routes; src/server/openapi.ts makes a document and a page of all of them. */
import type { z } from 'zod';

export interface RouteDoc {
  method: 'get' | 'post' | 'delete';
  /** The whole path, parameters in braces: `/v1/models/{id}`. */
  path: string;
  /** One line. */
  summary: string;
  description?: string;
  /** The request's body, as it is checked. */
  body?: z.ZodType;
  /** What comes back; of a stream, when none is asked for. */
  response?: z.ZodType;
  /** How it streams, where it can. */
  stream?: 'sse' | 'ndjson';
  /** The body comes as a form with a file. */
  multipart?: true;
}
