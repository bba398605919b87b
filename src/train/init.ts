/**
 * Fresh weights: matrices and embeddings normal with standard deviation 0.02, what writes onto the residual stream
 * scaled by 1/√(2 · layers) (GPT-2), norms one, biases zero. An adapter starts as no change: A uniform as PyTorch
 * initialises linear layers, B zero.
 */
import { Random } from '../generate/random.js';
import type { Lora } from './lora.js';
import type { Parameter } from './parameters.js';

const STD = 0.02;

export function initialise(parameter: Parameter, values: Float32Array, layers: number, seed: number): void {
  const { name, kind } = parameter;
  if (kind === 'vector') {
    values.fill(name.endsWith('bias') ? 0 : 1);
    return;
  }
  const ontoResidual = /(?:o_proj|down_proj|c_proj)\.weight$/.test(name);
  normal(values, ontoResidual ? STD / Math.sqrt(2 * layers) : STD, seedOf(name, seed));
}

export function initialiseLora({ a, b }: Lora, values: (p: Parameter) => Float32Array, seed: number): void {
  const bound = 1 / Math.sqrt(a.columns);
  const random = new Random(seedOf(a.name, seed));
  const into = values(a);
  for (let i = 0; i < into.length; i++) into[i] = (2 * random.next() - 1) * bound;
  values(b).fill(0);
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
