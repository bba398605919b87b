/** Opens a checkpoint, whatever its format: the one place that tells them apart. */
import { basename, dirname, join } from 'node:path';
import { KaiwenError } from '../errors.js';
import type { Checkpoint } from './checkpoint.js';
import { exists, isFolder, listFolder, RandomAccessFile } from './file.js';
import { isGguf } from './gguf.js';
import { openGguf } from './gguf-checkpoint.js';
import { openHuggingFace } from './huggingface.js';

export interface OpenOptions {
  /** False: `tokenizer` may lack its strings (GGUF), which saves a tenth of a second. Default true. */
  vocabulary?: boolean;
}

/**
 * Opens a Hugging Face folder, a .safetensors file with config.json beside it, or a GGUF file (any part of a split
 * one). Reads headers only. Close it when done.
 * Throws KaiwenError: 'not_found' if something is missing, 'bad_file' if something is broken, 'unsupported' if
 * Kaiwen has no such architecture, element type or format.
 */
export function openCheckpoint(path: string, options: OpenOptions = {}): Checkpoint {
  const { vocabulary = true } = options;
  if (path === '') throw new KaiwenError('usage', 'The path of the model is empty.', { remedy: 'Give a path.' });
  if (!exists(path)) {
    throw new KaiwenError('not_found', `${path}: no such file or folder.`, {
      remedy: 'Give a model folder, or a .gguf or .safetensors file.',
    });
  }
  if (isFolder(path)) return openFolder(path, vocabulary);
  const file = new RandomAccessFile(path);
  let gguf: boolean;
  try {
    gguf = isGguf(file);
  } finally {
    file.close();
  }
  if (gguf || path.endsWith('.gguf')) return openGguf(path, vocabulary);
  if (path.endsWith('.safetensors')) return openHuggingFace(path, dirname(path), basename(path));
  if (basename(path) === 'config.json' || basename(path).endsWith('.safetensors.index.json')) {
    return openHuggingFace(path, dirname(path));
  }
  throw new KaiwenError('unsupported', `${path}: neither GGUF nor safetensors.`, {
    remedy: 'Give a model folder, or a .gguf or .safetensors file.',
  });
}

function openFolder(path: string, vocabulary: boolean): Checkpoint {
  if (exists(join(path, 'config.json'))) return openHuggingFace(path, path);
  const names = listFolder(path).filter((name) => name.endsWith('.gguf') && !name.startsWith('mmproj'));
  const wholes = names.filter((name) => !/-\d{5}-of-\d{5}\.gguf$/.test(name) || /-00001-of-\d{5}\.gguf$/.test(name));
  if (wholes.length === 1) return openGguf(join(path, wholes[0]!), vocabulary);
  if (wholes.length > 1) {
    throw new KaiwenError('usage', `${path}: ${wholes.length} GGUF files.`, {
      remedy: `Give the path of one, such as ${join(path, wholes[0]!)}.`,
    });
  }
  return openHuggingFace(path, path);
}
