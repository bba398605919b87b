/** What a model has beside its weights: tokenizer, chat template, defaults. Read on the caller's thread. */
import { inFile, KaiwenError } from '../errors.js';
import { openCheckpoint } from '../formats/open.js';
import { checkVocabulary, loadTokenizer } from '../tokenizer/load.js';
import type { ModelParts } from './model.js';

export { readAdapterFiles } from '../adapters/files.js';
export { TextModel } from './model.js';
export { checkVocabulary };

/** The parts of the model at `path`; the file is closed again. Throws KaiwenError as `load` does. */
export function readParts(path: string): Omit<ModelParts, 'name' | 'path' | 'engine'> {
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
