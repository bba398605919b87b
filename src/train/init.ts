/**
 * Fresh weights: matrices and embeddings normal with standard deviation 0.02, what writes onto the residual stream
 * scaled by 1/√(2 · layers) (GPT-2), norms one, biases zero. The delta rule starts as Mamba-2 does (arXiv:2405.21060): heads
 * remember for between one and a thousand tokens, its convolution is PyTorch's. An adapter starts as no change: A uniform as PyTorch
 * initialises linear layers, B zero.
 */
import { Random } from '../generate/random.js';
import type { Lora } from './lora.js';
import type { Parameter } from './parameters.js';

const STD = 0.02;
/** 1/√kernel for the kernel of four that the published models have. */
const CONVOLUTION = 0.5;

/** `normOffset`: what the architecture adds to the weights of its norms, which are stored less that. */
export function initialise(
  { name, kind }: Parameter,
  values: Float32Array,
  layers: number,
  seed: number,
  normOffset: 0 | 1,
): void {
  const own = seedOf(name, seed);
  if (kind !== 'vector') {
    const ontoResidual = /(?:o_proj|out_proj|down_proj|c_proj)\.weight$/.test(name);
    normal(values, ontoResidual ? STD / Math.sqrt(2 * layers) : STD, own);
  } else if (name.endsWith('.A_log')) {
    uniform(values, 1, 16, own, Math.log);
  } else if (name.endsWith('.dt_bias')) {
    // softplus of the bias is spread between these.
    uniform(values, Math.log(0.001), Math.log(0.1), own, (x) => Math.log(Math.expm1(Math.exp(x))));
  } else if (name.endsWith('.conv1d.weight')) {
    uniform(values, -CONVOLUTION, CONVOLUTION, own);
  } else {
    const stored = name.endsWith('linear_attn.norm.weight') ? 1 : 1 - normOffset;
    values.fill(name.endsWith('bias') ? 0 : stored);
  }
}

export function initialiseLora({ a, b }: Lora, values: (p: Parameter) => Float32Array, seed: number): void {
  const bound = 1 / Math.sqrt(a.columns);
  uniform(values(a), -bound, bound, seedOf(a.name, seed));
  values(b).fill(0);
}

/** A function of numbers drawn evenly from [low, high). */
function uniform(values: Float32Array, low: number, high: number, seed: number, f = (x: number) => x): void {
  const random = new Random(seed);
  for (let i = 0; i < values.length; i++) values[i] = f(low + (high - low) * random.next());
}

/** Box and Muller. */
function normal(values: Float32Array, std: number, seed: number): void {
  const random = new Random(seed);
  for (let i = 0; i < values.length; i += 2) {
    const radius = std * Math.sqrt(-2 * Math.log(1 - random.next()));
    const angle = 2 * Math.PI * random.next();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < values.length) values[i + 1] = radius * Math.sin(angle);
  }
}

/** Each tensor draws its own numbers, so that another layer more leaves the others as they were (FNV-1a). */
function seedOf(name: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
