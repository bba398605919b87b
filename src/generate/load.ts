/** Opens a model: headers and tokenizer here, the weights in the engine's own thread. */
import { inFile, KaiwenError } from '../errors.js';
import { openCheckpoint } from '../formats/open.js';
import { checkVocabulary, loadTokenizer } from '../tokenizer/load.js';
import type { LoadOptions, Model } from './api.js';
import { startEngine } from './engine-client.js';
import { TextModel } from './model.js';

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
  const parts = readParts(path);
  const engine = await startEngine(path, options);
  try {
    inFile(path, () => checkVocabulary(parts.tokenizer, engine.info.vocabSize));
    return new TextModel({ ...parts, name: modelName(path), path, engine });
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** All that is needed beside the weights; the file is closed again. */
function readParts(path: string) {
  using checkpoint = openCheckpoint(path);
  const { tokenizer: source, chatTemplate, generationConfig, config } = checkpoint;
  if (!source) {
    throw new KaiwenError('not_found', `${path}: the model has no tokenizer.`, {
      remedy: 'Put tokenizer.json or qwen.tiktoken beside its config.json.',
    });
  }
  const tokenizer = inFile(path, () => {
    const loaded = loadTokenizer(source);
    if (typeof config.vocab_size === 'number') checkVocabulary(loaded, config.vocab_size);
    return loaded;
  });
  return { tokenizer, chatTemplate, generationConfig, config };
}

/** The last part of the path, without .gguf or .safetensors. */
function modelName(path: string): string {
  const parts = path.split(/[/\\]/).filter((part) => part !== '' && part !== '.');
  return (parts.at(-1) ?? path).replace(/\.(gguf|safetensors)$/i, '');
}
