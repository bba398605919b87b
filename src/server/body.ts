/** Reads a JSON request body without trusting its length, its encoding or its syntax. */
import { parseJson } from '../formats/json.js';
import { HttpError } from './http-error.js';

/**
 * The parsed body. The limit holds while bytes come in, whatever content-length claims.
 * Throws HttpError 400 (empty, not UTF-8, not JSON), 413 (more than `limit` bytes) or 415 (compressed).
 */
export async function readJson(request: Request, limit: number): Promise<unknown> {
  const encoding = request.headers.get('content-encoding');
  if (encoding && encoding.toLowerCase() !== 'identity')
    throw new HttpError(
      415,
      'unsupported_encoding',
      `content-encoding '${encoding}' is not supported: send plain JSON.`,
    );
  const bytes = await readBytes(request, limit);
  if (bytes.length === 0) throw new HttpError(400, 'invalid_json', 'The request has no body: send a JSON object.');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new HttpError(400, 'invalid_json', 'The request body is not valid UTF-8.');
  }
  try {
    return parseJson(text);
  } catch (cause) {
    // The engine's own message quotes the text around the fault; only its position is ours to repeat.
    const position = /position (\d+)/.exec(String(cause))?.[1];
    const where = position === undefined ? '' : ` (at character ${position})`;
    throw new HttpError(400, 'invalid_json', `The request body is not valid JSON${where}.`);
  }
}

/** A client hears of its mistake only once it has sent its body: up to this many times the limit is read and dropped. */
const PATIENCE = 4;

async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length')) > PATIENCE * limit) throw tooLarge(limit, true);
  if (!request.body) return new Uint8Array();
  const reader = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    let piece: ReadableStreamReadResult<Uint8Array>;
    try {
      piece = await reader.read();
    } catch (cause) {
      throw new HttpError(400, 'incomplete_body', 'The connection ended before the request body did.', { cause });
    }
    if (piece.done) break;
    length += piece.value.length;
    if (length > PATIENCE * limit) {
      void reader.cancel().catch(() => {});
      throw tooLarge(limit, true);
    }
    if (length <= limit) chunks.push(piece.value);
    else chunks.length = 0;
  }
  if (length > limit) throw tooLarge(limit, false);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** `unread`: the rest of the body is still on its way, so the connection cannot serve another request. */
function tooLarge(limit: number, unread: boolean): HttpError {
  const message = `The request body is larger than the limit of ${limit} bytes.`;
  return new HttpError(413, 'request_too_large', message, unread ? { headers: { connection: 'close' } } : {});
}
