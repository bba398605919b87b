/**
 * Who may talk to the server. With an API key: whoever holds it. Without: programs of this machine, and no web page
 * that a browser on it happens to show, be it by a cross-site request (Origin) or by DNS rebinding (Host).
 */
import { HttpError } from './http-error.js';

/** Whether a host name or address can only mean this machine. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  return name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
}

/** Makes the check of one server. It throws HttpError 401 or 403. `origins`: web pages that may call. */
export function accessCheck(apiKey: string | undefined, origins: readonly string[]) {
  const expected = apiKey === undefined ? undefined : digest(apiKey);
  return async (request: Request): Promise<void> => {
    if (expected) {
      const given = /^Bearer +(\S+) *$/i.exec(request.headers.get('authorization') ?? '')?.[1];
      if (given !== undefined && sameBytes(await digest(given), await expected)) return;
      const message =
        given === undefined
          ? 'This server needs an API key: send it as "Authorization: Bearer KEY".'
          : 'Wrong API key.';
      throw new HttpError(401, 'invalid_api_key', message, { headers: { 'www-authenticate': 'Bearer' } });
    }
    const { hostname, host } = new URL(request.url);
    if (!isLoopback(hostname))
      throw new HttpError(
        403,
        'host_not_allowed',
        `Without an API key this server answers only to localhost, not to '${hostname}'.`,
      );
    const origin = request.headers.get('origin');
    if (origin !== null && !origins.includes(origin) && !sameHost(origin, host))
      throw new HttpError(403, 'origin_not_allowed', `Web pages of '${origin}' may not call this server; see --cors.`);
  };
}

function sameHost(origin: string, host: string): boolean {
  try {
    return new URL(origin).host === host;
  } catch {
    return false;
  }
}

/** Digests are compared, so that neither the key's length nor a common beginning shows in the time taken. */
async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}
