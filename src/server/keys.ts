/**
 * Who a request belongs to. A store knows keys by what was sent, and says what their holder may do. This file has the
 * stores of one machine, a single key and a file of keys; a platform puts its own in their place.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** What the holder of a key may use. What is absent has no limit. */
export interface KeyLimits {
  readonly requestsPerMinute?: number;
  /** Tokens of prompts and answers. */
  readonly tokensPerMinute?: number;
  /** Requests at the same time. */
  readonly concurrency?: number;
  /** Tokens from midnight to midnight, UTC. */
  readonly tokensPerDay?: number;
}

export interface KeyInfo {
  /** Names the key in logs, metrics and turns; never the secret. */
  readonly id: string;
  readonly name?: string;
  readonly limits: KeyLimits;
  /** Ids of the models that it may use; absent: all. */
  readonly models?: readonly string[];
}

export interface KeyStore {
  /** Whose secret this is; undefined if nobody's. The time it takes says nothing about the secrets that are known. */
  check(secret: string): KeyInfo | undefined | Promise<KeyInfo | undefined>;
  /** The key of this id, for work that goes on after its request. */
  find(id: string): KeyInfo | undefined | Promise<KeyInfo | undefined>;
}

/** A key and the SHA-256 of its secret, as a store keeps it. */
export interface KeyEntry {
  readonly info: KeyInfo;
  readonly hash: Uint8Array;
}

/**
 * Keys in memory. Secrets are found by a digest of their digest, made with a key of this process that nobody knows, so
 * that what a lookup touches cannot be chosen from outside; the digests themselves are compared in constant time.
 */
export class KeyRing implements KeyStore {
  readonly #salt = randomBytes(32);
  #entries = new Map<string, KeyEntry>();

  constructor(entries: readonly KeyEntry[]) {
    this.replace(entries);
  }

  check(secret: string): KeyInfo | undefined {
    const hash = hashSecret(secret);
    const entry = this.#entries.get(this.#index(hash));
    return entry && timingSafeEqual(entry.hash, hash) ? entry.info : undefined;
  }

  find(id: string): KeyInfo | undefined {
    for (const { info } of this.#entries.values()) if (info.id === id) return info;
    return undefined;
  }

  /** Other keys from now on. Requests under way keep what they were admitted with. */
  replace(entries: readonly KeyEntry[]): void {
    this.#entries = new Map(entries.map((entry) => [this.#index(entry.hash), entry]));
  }

  #index(hash: Uint8Array): string {
    return createHmac('sha256', this.#salt).update(hash).digest('base64');
  }
}

/** The key of `--api-key`: one for everything, without limits. */
export function singleKey(secret: string): KeyRing {
  return new KeyRing([{ info: { id: 'default', limits: {} }, hash: hashSecret(secret) }]);
}

/** SHA-256, 32 bytes. */
export function hashSecret(secret: string): Uint8Array {
  return createHash('sha256').update(secret).digest();
}

/** A new secret of 192 random bits. */
export function newSecret(): string {
  return `kw-${randomBytes(24).toString('base64url')}`;
}
