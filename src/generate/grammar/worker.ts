/** The thread that compiles grammars, one at a time, and that reads what the model's tokens are. */
import { parentPort } from 'node:worker_threads';
import { KaiwenError } from '../../errors.js';
import { openCheckpoint } from '../../formats/open.js';
import { readDefinition } from '../../tokenizer/load.js';
import { sendError } from '../messages.js';
import { compileSource } from './compile.js';
import type { CompileResult, CompileTask } from './compiler.js';
import { type Lexicon, newLexicon } from './lexicon.js';

const port = parentPort!;

port.on('message', async (task: CompileTask) => {
  try {
    const result: CompileResult =
      'source' in task
        ? { compiled: { image: await compileSource(task.source), named: [] } }
        : { lexicon: readLexicon(task.lexicon) };
    port.postMessage(result, 'compiled' in result ? [result.compiled.image.memory.buffer] : []);
  } catch (error) {
    port.postMessage({ error: sendError(error) } satisfies CompileResult);
  }
});

function readLexicon(path: string): Lexicon {
  using checkpoint = openCheckpoint(path);
  if (!checkpoint.tokenizer) throw new KaiwenError('not_found', `${path}: the model has no tokenizer.`);
  const { vocabulary, added } = readDefinition(checkpoint.tokenizer);
  return newLexicon(vocabulary, added);
}
