/** A run's results as they are written to a file and read back, to be compared with another run's later. */
import { KaiwenError } from '../errors.js';
import type { JsonObject } from '../formats/checkpoint.js';
import type { Comparison } from './compare.js';
import type { ItemResult } from './run.js';
import type { KindSummary } from './summary.js';

export interface Report {
  format: 'kaiwen-eval';
  version: 1;
  model: string;
  adapter?: string;
  files: readonly string[];
  settings: JsonObject;
  results: KindSummary[];
  /** The model that this one is compared with. */
  baseline?: string;
  comparison?: Comparison[];
  items: ItemResult[];
}

/** Throws KaiwenError 'bad_file' for anything else. */
export function parseReport(text: string, file: string): Report {
  try {
    const value = JSON.parse(text) as Partial<Report> | null;
    if (value?.format === 'kaiwen-eval' && value.version === 1 && Array.isArray(value.items)) return value as Report;
  } catch {
    // Said below.
  }
  throw new KaiwenError('bad_file', `${file} holds no results of an evaluation.`, {
    remedy: 'Give a model, or a file that kaiwen eval --out has written.',
  });
}
