/**
 * Keys from a file that can be edited while the server runs: it is read again when it changes or when asked. A file that
 * cannot be read, or is wrong, changes nothing: the keys before it stay.
 */
import { unwatchFile, watchFile } from 'node:fs';
import { z } from 'zod';
import { describeError, KaiwenError } from '../errors.js';
import { readText } from '../formats/file.js';
import { checkYaml } from '../formats/yaml.js';
import { hashSecret, type KeyEntry, type KeyInfo, KeyRing, type KeyStore } from './keys.js';

const count = z.int().min(1);

const limits = z.strictObject({
  requests_per_minute: count.optional(),
  tokens_per_minute: count.optional(),
  concurrency: count.optional(),
  tokens_per_day: count.optional(),
});

const entry = z
  .strictObject({
    id: z.string().regex(/^[\w.@-]{1,64}$/, 'must have 1 to 64 letters, digits, dots, dashes, underscores or @'),
    name: z.string().max(200).optional(),
    secret: z
      .string()
      .min(8)
      .max(512)
      .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces')
      .optional(),
    sha256: z
      .string()
      .regex(/^[0-9a-fA-F]{64}$/, 'must be the 64 hexadecimal digits of the SHA-256 of the secret')
      .optional(),
    limits: limits.optional(),
    models: z.array(z.string().min(1)).min(1).optional(),
  })
  .refine(({ secret, sha256 }) => (secret === undefined) !== (sha256 === undefined), 'needs either secret or sha256');

const file = z.array(entry).superRefine((entries, context) => {
  const seen = new Map<string, string>();
  entries.forEach((one, i) => {
    const hash = (one.sha256 ?? hex(one.secret ?? '')).toLowerCase();
    for (const [kind, value] of [
      ['id', one.id],
      ['secret', hash],
    ]) {
      if (seen.has(`${kind} ${value}`))
        context.addIssue({ code: 'custom', path: [i], message: `has the ${kind} of another key` });
      seen.set(`${kind} ${value}`, one.id);
    }
  });
});

/** The keys in a YAML or JSON text. Throws KaiwenError 'usage' with file, line and field; never with a secret. */
export function parseKeys(path: string, text: string): KeyEntry[] {
  return checkYaml(path, text, file).map((one) => ({ info: info(one), hash: hash(one) }));
}

function info({ id, name, models, limits = {} }: z.output<typeof entry>): KeyInfo {
  const { requests_per_minute, tokens_per_minute, concurrency, tokens_per_day } = limits;
  return {
    id,
    name,
    models,
    limits: {
      requestsPerMinute: requests_per_minute,
      tokensPerMinute: tokens_per_minute,
      concurrency,
      tokensPerDay: tokens_per_day,
    },
  };
}

function hash({ secret, sha256 }: z.output<typeof entry>): Uint8Array {
  return sha256 === undefined ? hashSecret(secret!) : Buffer.from(sha256, 'hex');
}

function hex(secret: string): string {
  return Buffer.from(hashSecret(secret)).toString('hex');
}

/** How often a file is looked at, in milliseconds. */
const WATCH_MS = 2_000;

export class KeyFile implements KeyStore, Disposable {
  readonly path: string;
  readonly #ring: KeyRing;
  readonly #report: (message: string) => void;
  readonly #changed = (): void => this.reload();

  /** Throws KaiwenError 'not_found' or 'usage'. `report` hears of each later reading, good or bad. */
  constructor(path: string, report: (message: string) => void) {
    this.path = path;
    this.#report = report;
    this.#ring = new KeyRing(this.#read());
    watchFile(path, { interval: WATCH_MS, persistent: false }, this.#changed);
  }

  check(secret: string): KeyInfo | undefined {
    return this.#ring.check(secret);
  }

  find(id: string): KeyInfo | undefined {
    return this.#ring.find(id);
  }

  reload(): void {
    try {
      const keys = this.#read();
      this.#ring.replace(keys);
      this.#report(`${this.path}: read again, ${keys.length} keys`);
    } catch (error) {
      this.#report(`${describeError(error)} The keys before stay.`);
    }
  }

  [Symbol.dispose](): void {
    unwatchFile(this.path, this.#changed);
  }

  #read(): KeyEntry[] {
    const text = readText(this.path);
    if (text === undefined) throw new KaiwenError('not_found', `${this.path}: no such file.`);
    return parseKeys(this.path, text);
  }
}
