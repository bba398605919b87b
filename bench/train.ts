/**
 * Times training steps beside PyTorch (bench/peers/train_torch.py), one process after the other on the same shapes:
 * tokens a second (the median of the steps) and the most memory that was resident.
 *
 *   apt-get install python3-torch
 *   npm run -s build && npx tsx bench/train.ts                       all cases; or what their names contain: lora
 *   npx tsx bench/train.ts --threads 2 --rounds 3 --engines native,wasm
 *
 * A step is forward, backward, clipping and AdamW in float32 over random ids; a process's first step is not counted.
 * The engines are PyTorch as it comes, PyTorch with OpenBLAS told to use AVX-512 (`torch512`; not in the default), and
 * Kaiwen with machine code and without.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { JsonObject } from '../src/formats/checkpoint.js';
import { TrainableModel } from '../src/train/model.js';
import { AdamW, STATE_BYTES } from '../src/train/optimizer.js';
import { prepareModel } from './peers/models.js';
import { SHAPES } from './peers/shapes.js';

/** What a process is told to do: the script in Python reads the same. */
interface Task {
  config: JsonObject;
  batch: number;
  sequence: number;
  steps: number;
  threads: number;
  lora?: { rank: number; alpha: number };
  /** Kaiwen alone: a file with frozen weights, and whether machine code computes. */
  model?: string;
  native?: boolean;
}

interface Result {
  seconds: number[];
  /** Of the last step. */
  loss: number;
  memory: number;
}

interface Case extends Pick<Task, 'config' | 'batch' | 'sequence' | 'lora'> {
  name: string;
  steps: { [engine: string]: number };
}

const QWEN3 = {
  ...{ architectures: ['Qwen3ForCausalLM'], model_type: 'qwen3', hidden_act: 'silu', tie_word_embeddings: true },
  ...{ rms_norm_eps: 1e-6, rope_theta: 10_000, max_position_embeddings: 512 },
};

const CASES: readonly Case[] = [
  {
    name: 'pre-training, 1.7 million parameters',
    config: {
      ...{ ...QWEN3, hidden_size: 128, intermediate_size: 384, num_hidden_layers: 6, head_dim: 32, vocab_size: 4096 },
      ...{ num_attention_heads: 4, num_key_value_heads: 2 },
    },
    ...{ batch: 24, sequence: 128, steps: { torch: 5, kaiwen: 20 } },
  },
  {
    name: 'pre-training, 51 million parameters',
    config: {
      ...{
        ...QWEN3,
        hidden_size: 512,
        intermediate_size: 1536,
        num_hidden_layers: 11,
        head_dim: 64,
        vocab_size: 32_768,
      },
      ...{ num_attention_heads: 8, num_key_value_heads: 4 },
    },
    ...{ batch: 8, sequence: 256, steps: { torch: 2, kaiwen: 4 } },
  },
  {
    name: 'LoRA on Qwen3-0.6B',
    config: SHAPES['Qwen3-0.6B'].config,
    ...{ batch: 1, sequence: 256, steps: { torch: 2, kaiwen: 4 }, lora: { rank: 8, alpha: 16 } },
  },
];

const ENGINES: { [name: string]: { label: string; run: (task: Task) => Result } } = {
  torch: { label: 'PyTorch', run: (task) => torch(task) },
  torch512: { label: 'PyTorch, AVX-512', run: (task) => torch(task, { OPENBLAS_CORETYPE: 'SkylakeX' }) },
  native: { label: 'Kaiwen', run: (task) => kaiwen({ ...task, native: true }) },
  wasm: { label: 'Kaiwen, Wasm alone', run: (task) => kaiwen({ ...task, native: false }) },
};

const self = fileURLToPath(import.meta.url);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '1' },
    engines: { type: 'string', default: 'torch,native,wasm' },
    task: { type: 'string' },
  },
});
if (values.task) console.log(JSON.stringify(train(JSON.parse(values.task) as Task)));
else await compare();

async function compare(): Promise<void> {
  const engines = values.engines.split(',');
  for (const { name, steps, ...shape } of CASES) {
    if (!positionals.every((part) => name.includes(part))) continue;
    const { batch, sequence } = shape;
    console.log(`\n${name}: ${batch} × ${sequence} tokens, ${values.threads} threads`);
    const model = shape.lora ? await prepareModel('Qwen3-0.6B', 'q8_0') : undefined;
    const results = new Map(engines.map((engine) => [engine, [] as Result[]]));
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [engine, all] of results) {
        const { torch: theirs, kaiwen: ours } = steps;
        const task = { ...shape, threads: Number(values.threads), steps: engine.startsWith('torch') ? theirs : ours };
        all.push(ENGINES[engine].run({ ...task, model }));
      }
    }
    const speeds = new Map<string, { speed: number; memory: number }>();
    for (const [engine, all] of results) {
      const speed = (batch * sequence) / median(all.flatMap((one) => one.seconds));
      speeds.set(engine, { speed, memory: Math.max(...all.map((one) => one.memory)) });
    }
    const peer = speeds.get(engines.find((engine) => engine.startsWith('torch')) ?? '');
    for (const [engine, { speed, memory }] of speeds) {
      const ratios = peer
        ? `  × ${(speed / peer.speed).toFixed(2)}, memory × ${(memory / peer.memory).toFixed(2)}`
        : '';
      const figures = `${speed.toFixed(1).padStart(9)} tokens/s ${(memory / 1e6).toFixed(0).padStart(6)} MB`;
      console.log(`${ENGINES[engine].label.padEnd(20)} ${figures}${ratios}`);
    }
  }
}

function torch(task: Task, env: { [name: string]: string } = {}): Result {
  const script = fileURLToPath(new URL('peers/train_torch.py', import.meta.url));
  const threads = { OMP_NUM_THREADS: String(task.threads), OPENBLAS_NUM_THREADS: String(task.threads) };
  const out = execFileSync(process.env.PYTHON ?? '/usr/bin/python3', [script, JSON.stringify(task)], {
    env: { ...process.env, ...threads, ...env },
  });
  return JSON.parse(String(out)) as Result;
}

function kaiwen(task: Task): Result {
  const args = ['--import', 'tsx', self, '--task', JSON.stringify(task)];
  return JSON.parse(String(execFileSync(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] }))) as Result;
}

/** The steps of one process. */
function train({ config, batch, sequence, steps, threads, lora, model: path, native }: Task): Result {
  const rows = batch * sequence;
  const options = { threads, rows, maxRun: sequence, optimizerBytesPerParameter: STATE_BYTES };
  const backend = { ...options, native: native ? ('best' as const) : ('off' as const) };
  const adapters = { rslora: false, dora: false, dropout: 0, targets: 'all-linear' as const, seed: 1 };
  using model = path
    ? TrainableModel.open(path, { ...backend, train: { lora: { ...adapters, ...lora! } }, base: 'q8_0' })
    : TrainableModel.create(config, 1, { ...backend, train: 'all' });
  const optimizer = new AdamW(model, { betas: [0.9, 0.95], epsilon: 1e-8, weightDecay: 0.1 });
  const runs = Array.from({ length: batch }, (_, i) => ({ row: i * sequence, rows: sequence }));
  const vocab = config.vocab_size as number;
  const random = () => Int32Array.from({ length: rows }, () => Math.floor(Math.random() * vocab));
  const seconds: number[] = [];
  let loss = 0;
  for (let step = 1; step <= steps + 1; step++) {
    const start = performance.now();
    const weights = new Float32Array(rows).fill(1 / rows);
    const nll = model.accumulate({ ids: random(), targets: random(), weights, runs });
    loss = nll.reduce((sum, value) => sum + value, 0) / rows;
    const gradScale = Math.min(1, 1 / Math.sqrt(model.gradNormSquared()));
    optimizer.step({ step, learningRate: 1e-4, gradScale });
    model.zeroGrad();
    seconds.push((performance.now() - start) / 1000);
  }
  return { seconds: seconds.slice(1), loss, memory: process.resourceUsage().maxRSS * 1024 };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}
