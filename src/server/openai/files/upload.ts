/** Reads an upload's multipart body (RFC 7578) as it comes: the file goes to disk piece by piece, never whole in memory. */
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { ReadableStream as NodeStream } from 'node:stream/web';
import { Busboy } from '@fastify/busboy';
import { HttpError } from '../../http-error.js';
import type { FileStore, StoredFile } from './store.js';

/** What an uploaded file may be for. Only batches are read by this server; the others are kept and given back. */
const PURPOSES = ['batch', 'fine-tune', 'assistants', 'user_data', 'evals'];

/** Throws HttpError 400 for a body that is not as it should be, 413 for a file of more than `limit` bytes. */
export async function receiveUpload(
  request: Request,
  store: FileStore,
  owner: string | undefined,
  limit: number,
): Promise<StoredFile> {
  const type = request.headers.get('content-type') ?? '';
  if (!type.toLowerCase().startsWith('multipart/form-data') || !request.body)
    throw wrong('Send the file as multipart/form-data, with the fields file and purpose.');
  const body = Readable.fromWeb(request.body as NodeStream);
  const fields = new Map<string, string>();
  const received = receiveParts(body, type, fields, (filename, content) =>
    store.add({ filename, purpose: '', owner }, (file) => copy(content, file, limit)),
  );
  const file = await received;
  if (!file) throw wrong('The upload has no file.', 'file');
  const purpose = fields.get('purpose');
  if (purpose !== undefined && PURPOSES.includes(purpose)) return store.relabel(file, { purpose });
  await store.delete(file);
  if (purpose === undefined) throw wrong('The upload has no purpose.', 'purpose');
  throw wrong(`Invalid 'purpose': expected one of ${PURPOSES.join(', ')}.`, 'purpose');
}

/** Collects text fields into `fields`; the first file is taken by `take`. */
function receiveParts(
  body: Readable,
  type: string,
  fields: Map<string, string>,
  take: (filename: string, content: Readable) => Promise<StoredFile>,
): Promise<StoredFile | undefined> {
  return new Promise((resolve, reject) => {
    let file: Promise<StoredFile> | undefined;
    let taken: Readable | undefined;
    const fail = (error: unknown): void => {
      body.unpipe();
      body.resume();
      // Nobody ends it any more: whoever stores it must hear, or file and handle stay behind.
      taken?.destroy(new Error('the upload has failed'));
      reject(error instanceof HttpError ? error : wrong('The upload is not a valid multipart body.'));
    };
    let parser: InstanceType<typeof Busboy>;
    try {
      parser = new Busboy({
        headers: { 'content-type': type },
        limits: { fields: 10, fieldSize: 1000, files: 1, parts: 20, headerPairs: 20 },
      });
    } catch (error) {
      fail(error);
      return;
    }
    parser.on('field', (name, value) => fields.set(name, value));
    parser.on('file', (name, content, filename) => {
      // A body that ends in the middle of a part is an error of that part, whether it is read or not.
      content.on('error', fail);
      if (name !== 'file' || file) {
        content.resume();
        return;
      }
      taken = content;
      file = take((filename || 'file').slice(0, 255), content);
      file.catch((error) => {
        content.resume();
        fail(error instanceof HttpError ? error : notStored(error));
      });
    });
    parser.on('error', fail);
    parser.on('finish', () => (file ? file.then(resolve, () => {}) : resolve(undefined)));
    body.on('error', () => fail(wrong('The connection ended before the upload did.')));
    body.pipe(parser);
  });
}

async function copy(content: Readable, file: FileHandle, limit: number): Promise<void> {
  let bytes = 0;
  for await (const piece of content as AsyncIterable<Uint8Array>) {
    bytes += piece.byteLength;
    if (bytes > limit)
      throw new HttpError(413, 'file_too_large', `The file is larger than the limit of ${limit} bytes.`, {
        param: 'file',
        headers: { connection: 'close' },
      });
    await file.write(piece);
  }
}

/** A full disk is the server's trouble, but the client must know that nothing was kept. */
export function notStored(cause: unknown): HttpError {
  const full = ['ENOSPC', 'EDQUOT', 'EFBIG'].includes((cause as NodeJS.ErrnoException).code ?? '');
  if (!full) return new HttpError(500, 'io_error', 'The server could not store the file; its log says why.', { cause });
  return new HttpError(507, 'insufficient_storage', 'The server has no room for the file.', { cause });
}

function wrong(message: string, param?: string): HttpError {
  return new HttpError(400, 'invalid_request', message, { param });
}
