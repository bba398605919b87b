/**
 * `kaiwen logits`: the logits of every position for given token ids, for comparing implementations.
 * The KV cache is float32 here unless told otherwise.
 */
import { existsSync, realpathSync } from 'node:fs';
import { Command } from 'commander';
import { KaiwenError } from '../errors.js';
import { openCheckpoint } from '../formats/open.js';
import { encodeHeader } from '../formats/safetensors-writer.js';
import { showNotices } from './backend.js';
import { checkFileTarget, readText, writeWhole } from './files.js';
import { addEngineOptions, type EngineFlags, engineFrom, loadEngine, wholeNumber } from './options.js';
import { parseNumber } from './settings.js';

interface Flags extends EngineFlags {
  ids?: string;
  idsFile?: string;
  out: string;
  chunk?: number;
}

const MAX_IDS_BYTES = 1 << 26;

export function logitsCommand(): Command {
  const command = new Command('logits')
    .description('Write the logits of every position as tensor `logits` [T, vocab] float32 of a safetensors file.')
    .argument('<model>', 'Hugging Face folder or GGUF file')
    .option('--ids <list>', 'token ids, separated by commas or spaces')
    .option('--ids-file <path>', 'a file with such a list, or a JSON array')
    .requiredOption('--out <path>', 'the safetensors file to write')
    .option('--chunk <n>', 'tokens computed at once (default: all that the engine takes)', wholeNumber(1));
  return addEngineOptions(command, { kv: 'f32' })
    .addHelpText(
      'after',
      `
Examples:
  kaiwen logits model.gguf --ids 9707,11,1879 --out logits.safetensors
  kaiwen logits folder --ids-file ids.json --chunk 1 --threads 1 --out logits.safetensors`,
    )
    .action(logits);
}

async function logits(path: string, flags: Flags): Promise<void> {
  const ids = await readIds(flags);
  await checkFileTarget(flags.out);
  checkNotModel(path, flags.out);
  await using engine = await loadEngine(path, engineFrom(flags));
  showNotices(engine.info);
  const { vocabSize, context } = engine.info;
  for (const id of ids) {
    if (id >= vocabSize) {
      throw new KaiwenError('bad_input', `Token id ${id} is outside the vocabulary of ${vocabSize}.`, {
        remedy: `Give ids from 0 to ${vocabSize - 1}.`,
      });
    }
  }
  if (ids.length > context) {
    throw new KaiwenError('context_overflow', `${ids.length} ids do not fit the context of ${context}.`, {
      remedy: 'Give fewer ids or a larger --context.',
    });
  }
  const values = await engine.logits(ids, { chunk: flags.chunk });
  const header = encodeHeader([{ name: 'logits', dtype: 'f32', shape: [ids.length, vocabSize] }]);
  await writeWhole(flags.out, [header, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)]);
}

/** The output replaces an older file, but never the model. */
function checkNotModel(model: string, out: string): void {
  using checkpoint = openCheckpoint(model);
  const place = existsSync(out) ? realpathSync(out) : undefined;
  if (![...checkpoint.tensors.values()].some(({ file }) => realpathSync(file) === place)) return;
  throw new KaiwenError('bad_input', `${out} is the model that is read.`, { remedy: 'Choose another name.' });
}

async function readIds({ ids, idsFile }: Flags): Promise<number[]> {
  if ((ids === undefined) === (idsFile === undefined)) {
    throw new KaiwenError('usage', 'Token ids are needed once.', { remedy: 'Give either --ids or --ids-file.' });
  }
  return ids !== undefined ? parseIds(ids, '--ids') : parseIds(await readText(idsFile!, MAX_IDS_BYTES), idsFile!);
}

/** "1,2 3", "[1, 2, 3]" → numbers. Throws KaiwenError 'usage' naming `where` and what is no id. */
export function parseIds(text: string, where: string): number[] {
  const words = text
    .replace(/^\s*\[([\s\S]*)\]\s*$/, '$1')
    .split(/[\s,]+/)
    .filter((word) => word !== '');
  const remedy = 'Write whole numbers separated by commas.';
  if (words.length === 0) throw new KaiwenError('usage', `${where} holds no token ids.`, { remedy });
  return words.map((word) => {
    const id = /^\d+$/.test(word) ? parseNumber(word) : undefined;
    if (id === undefined || !Number.isSafeInteger(id)) {
      throw new KaiwenError('usage', `${where}: ${JSON.stringify(word.slice(0, 40))} is no token id.`, { remedy });
    }
    return id;
  });
}
