/**
 * Who may talk to the server. With API keys: whoever holds one. Without: programs of this machine, and no web page
 * that a browser on it happens to show, be it by a cross-site request (Origin) or by DNS rebinding (Host).
 */
import { HttpError } from './http-error.js';
import type { KeyInfo, KeyStore } from './keys.js';

/** Whether a host name or address can only mean this machine. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  return name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
}

/**
 * Makes the check of one server, which says whose the request is. It throws HttpError 401 or 403. Without `keys` it is
 * nobody's. `origins`: web pages that may call.
 */
export function accessCheck(keys: KeyStore | undefined, origins: readonly string[]) {
  return async (request: Request): Promise<KeyInfo | undefined> => {
    if (keys) {
      const given = secretOf(request.headers);
      const key = given === undefined ? undefined : await keys.check(given);
      if (key) return key;
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
    return undefined;
  };
}

function sameHost(origin: string, host: string): boolean {
  try {
    return new URL(origin).host === host;
  } catch {
    return false;
  }
}

/** The key as clients of the various protocols send it. */
function secretOf(headers: Headers): string | undefined {
  const authorization = headers.get('authorization');
  if (authorization !== null) return /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
  return headers.get('x-api-key') ?? headers.get('api-key') ?? undefined;
}
