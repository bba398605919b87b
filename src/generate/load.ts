/**
 * Opens a model: the engine's own thread reads the weights, this one tokenizer and template meanwhile. Their modules are
 * imported when that thread is on its way.
 */
import { inFile } from '../errors.js';
import type { LoadOptions, Model } from './api.js';
import { startEngine } from './engine-client.js';
import { superviseEngine } from './supervised.js';

/**
 * Loads a model from a Hugging Face folder or a GGUF file, and starts its engine. Close it when done, or declare it
 * with `await using`.
 *
 * ```ts
 * await using model = await load('models/glossary');
 * for await (const event of model.chat([{ role: 'user', content: 'What does "peace" mean?' }])) {
 *   if (event.type === 'text') process.stdout.write(event.text);
 * }
 * ```
 *
 * Throws KaiwenError: 'not_found' where there is no model or no tokenizer, 'bad_file' or 'unsupported' where it cannot
 * be read, 'out_of_memory' where it would not fit, 'aborted' when `options.signal` says so.
 */
export async function load(path: string, options: LoadOptions = {}): Promise<Model> {
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const { supervise, onFailure, ...rest } = options;
  const starting = supervise
    ? superviseEngine(path, { ...rest, signal, onFailure })
    : startEngine(path, { ...rest, signal });
  // Its failure is looked at below.
  starting.catch(() => {});
  try {
    const { checkVocabulary, readAdapterFiles, readParts, TextModel } = await import('./parts.js');
    const adapters = options.adapters?.map(({ name, path }) => ({ name, ...readAdapterFiles(path) }));
    const parts = { ...readParts(path), adapters };
    const engine = await starting;
    inFile(path, () => checkVocabulary(parts.tokenizer, engine.info.vocabSize));
    return new TextModel({ ...parts, name: modelName(path), path, engine });
  } catch (error) {
    stop.abort();
    await starting.then(
      (engine) => engine.close(),
      () => {},
    );
    throw error;
  }
}

/** The last part of the path, without .gguf or .safetensors. */
function modelName(path: string): string {
  const parts = path.split(/[/\\]/).filter((part) => part !== '' && part !== '.');
  return (parts.at(-1) ?? path).replace(/\.(gguf|safetensors)$/i, '');
}
