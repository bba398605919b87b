/** `kaiwen convert`: another format or a smaller type for a model. */
import { Command, Option } from 'commander';
import { convert } from '../formats/convert.js';
import { CONVERT_TYPES, type ConvertType } from '../formats/quant-mix.js';
import { colorsFor, formatBytes, startProgress } from './terminal.js';

interface Flags {
  type?: ConvertType;
  force?: boolean;
}

export function convertCommand(): Command {
  return new Command('convert')
    .description('Write a model as a GGUF file that llama.cpp loads too, or as a Hugging Face folder of safetensors.')
    .argument('<in>', 'Hugging Face folder or GGUF file')
    .argument('<out>', 'a new file that ends in .gguf, or a new folder')
    .addOption(
      new Option('--type <type>', 'type of the weights (default: q8_0 for GGUF, bf16 for a folder)').choices(
        CONVERT_TYPES,
      ),
    )
    .option('--force', 'replace OUT if it exists')
    .addHelpText(
      'after',
      `
Types: q8_0 halves bf16 with next to no loss; q6_k, q4_k_m and q4_0 are smaller and lose more, in this order.
A folder holds f32, f16 or bf16. In GGUF, norms and other small tensors stay f32, and rows that do not fit a type's
blocks get the nearest type that does. Quantised input is read exactly, but quantising twice loses more than once:
start from the original where you can.

Examples:
  kaiwen convert Qwen3-0.6B qwen3.gguf                     8-bit GGUF
  kaiwen convert Qwen3-0.6B qwen3-q4.gguf --type q4_k_m    4-bit GGUF
  kaiwen convert qwen3.gguf Qwen3-again --type bf16        a folder for transformers`,
    )
    .action(run);
}

async function run(input: string, output: string, { type, force }: Flags): Promise<void> {
  const started = performance.now();
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  const progress = startProgress(`writing ${output}`);
  try {
    const result = await convert(input, output, {
      type,
      force,
      signal: interrupted.signal,
      onProgress: (written, total) => progress.update(written, total),
    });
    progress.end();
    const { dim, yellow } = colorsFor(process.stderr);
    for (const notice of result.notices) console.error(yellow(notice));
    const counts = Object.entries(result.tensors).map(([dtype, count]) => `${count} ${dtype}`);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.error(`${output}: ${formatBytes(result.bytes)} ${dim(`(${counts.join(', ')}; ${seconds} s)`)}`);
  } finally {
    progress.end();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}
