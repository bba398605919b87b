/** Certificate and private key from files. */
import { createSecureContext } from 'node:tls';
import { KaiwenError } from '../errors.js';
import { readText } from '../formats/file.js';

/** Paths of PEM files: the certificate with those between it and its root, and its private key. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** What the files hold. Throws KaiwenError 'not_found', or 'usage' where the two are no pair that a server can use. */
export function readTls({ cert, key }: TlsFiles): { cert: string; key: string } {
  const pair = { cert: read(cert), key: read(key) };
  try {
    createSecureContext(pair);
  } catch (cause) {
    const { message } = cause as Error;
    throw new KaiwenError('usage', `${cert} and ${key} are no certificate and its private key: ${message}`, { cause });
  }
  return pair;
}

function read(path: string): string {
  const text = readText(path);
  if (text === undefined) throw new KaiwenError('not_found', `${path}: no such file.`);
  return text;
}
