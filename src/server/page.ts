/**
 * The chat page at `/`: the files that the build put beside the compiled server, read once and answered from memory. Only their own
 * names are known, so no path leads anywhere else. What they hold is the same for everybody and needs no key.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Context, Hono } from 'hono';
import type { AppEnv } from './service.js';

/** Beside the compiled server, or where the build puts it for a server that runs from its sources. */
const FOLDERS = ['../web/', '../../dist/web/'].map((path) => fileURLToPath(new URL(path, import.meta.url)));

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};

/** Scripts, styles and requests of this origin alone; nothing that a model writes can load or run anything. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** Encodings the build may have compressed a file with, best first. */
const ENCODINGS = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const;

type Bytes = Uint8Array<ArrayBuffer>;

interface PageFile {
  type: string;
  etag: string;
  /** Its name changes with its content. */
  hashed: boolean;
  plain: Bytes;
  encoded: { encoding: string; bytes: Bytes }[];
}

/** Adds the page's routes. Without a built page, `/` says how to build it. */
export function mountPage(app: Hono<AppEnv>, folder = FOLDERS.find((candidate) => existsSync(candidate))): void {
  const files = folder === undefined ? new Map<string, PageFile>() : readFiles(folder);
  for (const [path, file] of files) app.get(`/${path}`, (c) => answer(c, file));
  const index = files.get('index.html');
  app.get('/', (c) =>
    index ? answer(c, index) : c.text('The chat page is not built: npm run build. The API is under /v1.\n', 404),
  );
}

function readFiles(folder: string): Map<string, PageFile> {
  const files = new Map<string, PageFile>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const type = TYPES[extname(entry.name)];
    if (!entry.isFile() || !type) continue;
    const name = relative(folder, path).split(sep).join('/');
    const plain = readBytes(path);
    files.set(name, {
      type,
      etag: createHash('sha256').update(plain).digest('base64url').slice(0, 22),
      hashed: name.startsWith('assets/'),
      plain,
      encoded: ENCODINGS.flatMap(([encoding, suffix]) =>
        existsSync(path + suffix) ? [{ encoding, bytes: readBytes(path + suffix) }] : [],
      ),
    });
  }
  return files;
}

/** Of its own, because a small file may be read into memory that others share. */
function readBytes(path: string): Bytes {
  return new Uint8Array(readFileSync(path));
}

function answer(c: Context<AppEnv>, file: PageFile): Response {
  const accepted = c.req.header('accept-encoding') ?? '';
  const chosen = file.encoded.find(({ encoding }) => accepts(accepted, encoding));
  const etag = `"${file.etag}${chosen ? `-${chosen.encoding}` : ''}"`;
  const headers = {
    ...HEADERS,
    etag,
    vary: 'accept-encoding',
    'cache-control': file.hashed ? 'public, max-age=31536000, immutable' : 'no-cache',
  };
  const known = c.req.header('if-none-match')?.split(/\s*,\s*/) ?? [];
  if (known.some((tag) => tag.replace(/^W\//, '') === etag || tag === '*')) {
    return new Response(null, { status: 304, headers });
  }
  const bytes = chosen?.bytes ?? file.plain;
  const content = { 'content-type': file.type, 'content-length': String(bytes.length) };
  const encoding: Record<string, string> = chosen ? { 'content-encoding': chosen.encoding } : {};
  return new Response(bytes, { headers: { ...headers, ...content, ...encoding } });
}

function accepts(header: string, encoding: string): boolean {
  return header.split(',').some((part) => {
    const [name, ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    return name === encoding && !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
  });
}
