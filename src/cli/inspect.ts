/** `kaiwen inspect`: what a model file holds and how much memory it needs, as a table or as JSON. */
import { Command } from 'commander';
import { openCheckpoint } from '../formats/open.js';
import { type Inspection, inspect } from './inspection.js';
import { wholeNumber } from './options.js';
import { colorsFor, formatBytes, formatCount } from './terminal.js';

interface Flags {
  context?: number;
  json?: boolean;
}

export function inspectCommand(): Command {
  return new Command('inspect')
    .description('Say what a model holds and how much memory it needs. Reads no weights.')
    .argument('<model>', 'Hugging Face folder or GGUF file')
    .option(
      '--context <n>',
      "tokens of context to plan for (default: the model's, at most 8192)",
      wholeNumber(1, 1 << 24),
    )
    .option('--json', 'print everything as one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  kaiwen inspect models/glossary
  kaiwen inspect model.gguf --context 32768
  kaiwen inspect model.gguf --json | jq .memory.total`,
    )
    .action((path: string, flags: Flags) => {
      using checkpoint = openCheckpoint(path);
      const inspection = inspect(checkpoint, flags.context);
      console.log(flags.json ? JSON.stringify(inspection, null, 2) : table(inspection));
    });
}

function table(i: Inspection): string {
  const { bold, dim, yellow } = colorsFor(process.stdout);
  const hybrid =
    i.attentionLayers < i.layers ? ` (${i.attentionLayers} attention, ${i.layers - i.attentionLayers} recurrent)` : '';
  const groups = i.kvHeads !== i.heads ? `, ${i.kvHeads} for keys and values` : '';
  const rows: [string, string][] = [
    ['architecture', `${i.architecture} ${dim(`(${i.format})`)}`],
    ['parameters', formatCount(i.parameters)],
    ['layers', `${i.layers}${hybrid}`],
    ['heads', `${i.heads}${groups}, of ${i.headDim}`],
    ['sizes', `hidden ${i.hiddenSize}, feed-forward ${i.intermediateSize ?? 'none'}`],
    ['vocabulary', `${i.vocabSize}${i.tiedHead ? ' (embedding and head are one)' : ''}`],
    ['context', `${i.maxContext}${i.ropeScaling ? ` (rotary scaling ${i.ropeScaling})` : ''}`],
    [
      'tokenizer',
      i.tokenizer ? `${i.tokenizer.kind}, ${i.tokenizer.ids} ids, ${i.tokenizer.controlTokens} control` : 'none',
    ],
    ['chat', i.chatTemplate ? `template${i.thinking ? ', can think' : ''}` : 'no template'],
    ['licence', i.licence ?? 'not named'],
  ];
  if (i.experts) rows.splice(5, 0, ['experts', `${i.experts.count}, ${i.experts.perToken} for each token`]);
  for (const { dtype, tensors, bytes } of i.dtypes) {
    rows.push([dtype, `${tensors} ${tensors === 1 ? 'tensor' : 'tensors'}, ${formatBytes(bytes)}`]);
  }
  if (i.memory) {
    const { context, weights, cache, state, runtime, total } = i.memory;
    const parts = [`weights ${formatBytes(weights)}`, `cache ${formatBytes(cache)}`];
    if (state > 0) parts.push(`state ${formatBytes(state)}`);
    parts.push(`runtime ${formatBytes(runtime)}`);
    rows.push(['memory', `${bold(formatBytes(total))} at ${context} tokens ${dim(`(${parts.join(', ')})`)}`]);
  }
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(([label, value]) => `${dim(label.padEnd(width))}  ${value}`);
  return [bold(i.path), ...lines, ...[...i.notices, ...i.warnings].map((text) => yellow(text))].join('\n');
}
