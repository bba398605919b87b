/** `kaiwen bench`: tokens a second of prefill and decoding, and how much of the machine's memory bandwidth decoding uses. */
import { Command } from 'commander';
import { KaiwenError } from '../errors.js';
import { backendName, showNotices } from './backend.js';
import { addEngineOptions, type EngineFlags, engineFrom, loadEngine, wholeNumber } from './options.js';
import { formatBytes, formatCount } from './terminal.js';

interface Flags extends EngineFlags {
  prompt?: number;
  decode: number;
  repeat: number;
  sequences: number;
  json?: boolean;
}

export interface Rate {
  /** Tokens a second: the median run, the slowest and the fastest. */
  median: number;
  min: number;
  max: number;
}

export function benchCommand(): Command {
  const command = new Command('bench')
    .description('Time prefill and decoding of a model on this machine.')
    .argument('<model>', 'Hugging Face folder or GGUF file')
    .option('--prompt <n>', 'tokens to prefill (default: 512, or what fits the context)', wholeNumber(1))
    .option('--decode <n>', 'tokens to decode after them', wholeNumber(1), 64)
    .option('--repeat <n>', 'runs; the median counts', wholeNumber(1, 1000), 3)
    .option('--sequences <n>', 'sequences to decode together, each of so many tokens', wholeNumber(1, 16), 1)
    .option('--json', 'print the result as one JSON object');
  return addEngineOptions(command)
    .addHelpText(
      'after',
      `
Tokens a second are those of all sequences. GB/s is the weights that a step of decoding reads times
the steps in a second; the share is of what the same threads reach when they only read memory.

Examples:
  kaiwen bench model.gguf
  kaiwen bench model.gguf --threads 2 --prompt 128 --decode 32 --json
  kaiwen bench model.gguf --sequences 8 --context 1024`,
    )
    .action(bench);
}

async function bench(path: string, flags: Flags): Promise<void> {
  const { sequences } = flags;
  await using engine = await loadEngine(path, { ...engineFrom(flags), sequences });
  const { info } = engine;
  showNotices(info);
  const prompt = flags.prompt ?? Math.min(512, info.context - flags.decode);
  if (prompt < 1 || prompt + flags.decode > info.context) {
    throw new KaiwenError('usage', `${prompt} and ${flags.decode} tokens do not fit the context of ${info.context}.`, {
      remedy: 'Give a smaller --prompt or --decode, or a larger --context.',
    });
  }
  const { prefillMs, decodeMs } = await engine.bench(prompt, flags.decode, flags.repeat, sequences);
  const prefill = rate(sequences * prompt, prefillMs);
  const decode = rate(sequences * flags.decode, decodeMs);
  await engine.close();
  const { measureBandwidth } = await import('../tensor/bandwidth.js');
  const bandwidth = await measureBandwidth(info.threads);
  const bytesPerSecond = (info.bytesPerToken * decode.median) / sequences;
  const share = bytesPerSecond / bandwidth;
  if (flags.json) {
    const { architecture, parameters, threads, simd, native, kv, context, weightBytes, bytesPerToken, loadMs } = info;
    const { decode: decoded, repeat } = flags;
    console.log(
      JSON.stringify({
        model: path,
        ...{ architecture, parameters, threads, simd, native, kv, context, weightBytes, bytesPerToken, loadMs },
        ...{ sequences, promptTokens: prompt, decodeTokens: decoded, repeat },
        prefillTokensPerSecond: prefill,
        decodeTokensPerSecond: decode,
        ...{ bytesPerSecond, bandwidthBytesPerSecond: bandwidth, bandwidthShare: share },
      }),
    );
    return;
  }
  const size = `${formatCount(info.parameters)} parameters, ${formatBytes(info.weightBytes)} of weights`;
  console.log(`${path}: ${info.architecture}, ${size}; ${info.threads} threads, ${backendName(info)}`);
  const each = sequences > 1 ? `${sequences} sequences of ` : '';
  console.log(`prefill  ${rateLine(prefill)}   (${each}${prompt} tokens)`);
  console.log(`decode   ${rateLine(decode)}   (${each}${flags.decode} tokens)`);
  const percent = `${(share * 100).toFixed(0)} % of this machine's ${(bandwidth / 1e9).toFixed(1)} GB/s`;
  console.log(`weights  ${(bytesPerSecond / 1e9).toFixed(2)} GB/s, ${percent}`);
}

/** Tokens a second of runs that took `ms` each. */
export function rate(tokens: number, ms: readonly number[]): Rate {
  const rates = ms.map((value) => (tokens * 1000) / value).sort((a, b) => a - b);
  const middle = rates.length >> 1;
  const median = rates.length % 2 ? rates[middle] : (rates[middle - 1] + rates[middle]) / 2;
  return { median, min: rates[0], max: rates[rates.length - 1] };
}

function rateLine({ median, min, max }: Rate): string {
  const digits = max < 100 ? 1 : 0;
  return `${median.toFixed(digits)} tokens/s (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
}
