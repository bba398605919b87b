/** `kaiwen merge`: an adapter folded into its base. */
import { writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { merge } from '../adapters/merge.js';
import { writeJson } from '../formats/model-folder.js';
import { openCheckpoint } from '../formats/open.js';
import { CONVERT_TYPES, type ConvertType } from '../formats/quant-mix.js';
import { modelCard } from '../train/card.js';
import { describeBase, LINEAGE_FILE, newLineage, readLineage } from '../train/lineage.js';
import { colorsFor, formatBytes, startProgress } from './terminal.js';

interface Flags {
  adapter: string;
  out: string;
  type?: ConvertType;
  force?: boolean;
}

export function mergeCommand(): Command {
  return new Command('merge')
    .description('Fold a LoRA adapter into its base model, as a folder of safetensors or a GGUF file of any type.')
    .argument('<base>', 'Hugging Face folder or GGUF file that the adapter was trained on')
    .requiredOption('--adapter <path>', 'folder with adapter_config.json and adapter_model.safetensors')
    .requiredOption('--out <path>', 'a new file that ends in .gguf, or a new folder')
    .addOption(new Option('--type <type>', "type of the weights (default: the base's own)").choices(CONVERT_TYPES))
    .option('--force', 'replace OUT if it exists')
    .addHelpText(
      'after',
      `
A quantised base is dequantised, changed and quantised again; what that rounds away is measured and said. The less a
type rounds, the more of a small change survives: q8_0 or bf16 where it matters, or load the adapter at run time
(kaiwen run --adapter), which rounds nothing.

Examples:
  kaiwen merge Qwen3-0.6B --adapter shop --out Qwen3-shop                    a folder in the base's type
  kaiwen merge Qwen3-0.6B --adapter shop --out shop.gguf --type q8_0         an 8-bit GGUF
  kaiwen merge qwen3-q4.gguf --adapter shop --out shop-q4.gguf               a QLoRA adapter into its own base`,
    )
    .action(run);
}

async function run(base: string, { adapter, out, type, force }: Flags): Promise<void> {
  const started = performance.now();
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  const progress = startProgress(`writing ${out}`);
  try {
    const result = await merge(base, adapter, out, {
      type,
      force,
      finish: (folder) => describe(folder, base, adapter, out),
      signal: interrupted.signal,
      onProgress: (written, total) => progress.update(written, total),
    });
    progress.end();
    const { dim, yellow } = colorsFor(process.stderr);
    for (const notice of result.notices) console.error(yellow(notice));
    const { changed, change, rounding } = result;
    console.error(
      `${changed} matrices changed by ${share(change)}; rounding to ${result.type} moves them by ${share(rounding)}.`,
    );
    if (rounding > change / 4) {
      console.error(
        yellow('That is a large part of the change: a type with more bits keeps more of what was learned.'),
      );
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.error(`${out}: ${formatBytes(result.bytes)} ${dim(`(${seconds} s)`)}`);
  } finally {
    progress.end();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

/** Lineage and card of a merged folder. */
async function describe(folder: string, base: string, adapter: string, out: string): Promise<void> {
  const trained = readLineage(adapter);
  const lineage = newLineage({
    method: 'merge',
    base: describeBase(base),
    data: trained?.data ?? [],
    settings: { adapter: basename(resolve(adapter)), ...(trained && { training: trained.settings }) },
    seed: trained?.seed ?? 0,
    ...(trained?.results && { results: trained.results }),
  });
  using model = openCheckpoint(folder);
  const parameters = [...model.tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const facts = { architecture: String(model.config.model_type), parameters, licence: lineage.base?.licence, lineage };
  await writeJson(folder, LINEAGE_FILE, lineage);
  await writeFile(join(folder, 'README.md'), modelCard({ title: basename(resolve(out)), kind: 'model', ...facts }));
}

/** Of the weights' root mean square, in percent with three digits. */
function share(part: number): string {
  return `${Number((100 * part).toPrecision(3))} %`;
}
