/** The models of a server from a file: what `kaiwen serve models.yaml` reads. Relative paths start at the file's folder. */
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { KaiwenError } from '../errors.js';
import { readText } from '../formats/file.js';
import { checkYaml } from '../formats/yaml.js';
import type { EngineOptions } from '../generate/engine.js';

/** A model that a server may load. */
export interface PoolModel {
  /** As clients know it. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  /** Further names that ask for it. */
  readonly aliases: readonly string[];
  readonly options: EngineOptions;
  /** Unloaded after so much time without requests; absent: only to make room. */
  readonly idleMs?: number;
  /** Loaded at the start; the server is not ready before. */
  readonly preload: boolean;
}

export interface ModelsFile {
  /** The default first. */
  readonly models: readonly PoolModel[];
  /** The most that weights and caches may take together, in bytes. */
  readonly memory?: number;
}

const UNITS: Record<string, number> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30 };

/** Bytes from `8GB`, `512 MiB` or a number; undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const [, number, unit = 'B'] = /^(\d+(?:\.\d+)?)\s*([KMG]?i?B)?$/i.exec(text.trim()) ?? [];
  const bytes = Number(number) * UNITS[unit.toUpperCase()];
  return bytes > 0 && Number.isFinite(bytes) ? Math.floor(bytes) : undefined;
}

const size = z.union([z.number(), z.string()]).transform((value, context) => {
  const bytes = parseBytes(String(value));
  if (bytes !== undefined) return bytes;
  context.addIssue({ code: 'custom', message: 'must be a size such as 8GB, 512MiB or a number of bytes' });
  return z.NEVER;
});

const count = z.int().min(1);
/** Names stand in requests, logs and metrics. */
const name = z.string().regex(/^[\w.@:/+-]{1,128}$/, 'must have 1 to 128 letters, digits or any of . _ - / : @ +');

const model = z.strictObject({
  name,
  path: z.string().min(1),
  aliases: z.array(name).default([]),
  adapters: z.array(z.strictObject({ name, path: z.string().min(1) })).default([]),
  context: count.optional(),
  sequences: count.max(256).optional(),
  threads: count.max(256).optional(),
  cache: size.optional(),
  spill: z.strictObject({ folder: z.string().min(1), size }).optional(),
  kv: z.enum(['f16', 'f32', 'int8']).optional(),
  idle_minutes: z.number().gt(0).optional(),
  preload: z.boolean().default(false),
  default: z.boolean().default(false),
});

const file = z
  .strictObject({ memory: size.optional(), models: z.array(model).min(1) })
  .superRefine(({ models }, context) => {
    const seen = new Map<string, string>();
    models.forEach((one, i) => {
      const names: [string, (string | number)[]][] = [
        [one.name, ['name']],
        ...one.aliases.map((alias, j): [string, (string | number)[]] => [alias, ['aliases', j]]),
        ...one.adapters.map((adapter, j): [string, (string | number)[]] => [adapter.name, ['adapters', j, 'name']]),
      ];
      for (const [text, path] of names) {
        const owner = seen.get(text);
        if (owner !== undefined)
          context.addIssue({
            code: 'custom',
            path: ['models', i, ...path],
            message: `"${text}" is a name of ${owner}`,
          });
        seen.set(text, one.name);
      }
    });
    const defaults = models.flatMap((one, i) => (one.default ? [i] : []));
    if (defaults.length > 1)
      context.addIssue({
        code: 'custom',
        path: ['models', defaults[1], 'default'],
        message: 'only one can be the default',
      });
  });

/** Whether a path is such a file and not a model. */
export function isModelsFile(path: string): boolean {
  return /\.(ya?ml|json)$/i.test(path) && statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true;
}

/** Throws KaiwenError 'not_found' or 'usage', naming file, line and field. */
export function readModelsFile(path: string): ModelsFile {
  const text = readText(path);
  if (text === undefined) throw new KaiwenError('not_found', `${path}: no such file.`);
  const { memory, models } = checkYaml(path, text, file);
  const folder = dirname(resolve(path));
  const list = models.map(
    ({
      name,
      path,
      aliases,
      adapters,
      context,
      sequences,
      threads,
      kv,
      cache,
      spill,
      idle_minutes,
      preload,
    }): PoolModel => ({
      name,
      path: resolve(folder, path),
      aliases,
      options: {
        ...{ context, threads, kv, cacheBytes: cache, sequences: sequences ?? 'fitting' },
        ...(spill && { spill: { folder: resolve(folder, spill.folder), bytes: spill.size } }),
        adapters: adapters.map((adapter) => ({ name: adapter.name, path: resolve(folder, adapter.path) })),
      },
      idleMs: idle_minutes === undefined ? undefined : idle_minutes * 60_000,
      preload,
    }),
  );
  const first = Math.max(
    0,
    models.findIndex((one) => one.default),
  );
  return { memory, models: [list[first], ...list.filter((_, i) => i !== first)] };
}
