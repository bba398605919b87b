/**
 * Makes GGUF files of random weights in bench/peers/models/. The usual way: a file in bf16, which `kaiwen convert`
 * quantises. Models too large for that, and types that Kaiwen reads but does not write, get random blocks directly.
 * A file appears when it is whole; files that are there already are kept.
 *
 *   npx tsx bench/peers/models.ts [SHAPE TYPE]...      default: Qwen3-0.6B in q8_0, q4_0 and q4_k_m
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Checkpoint, TensorInfo } from '../../src/formats/checkpoint.js';
import { normaliseConfig, parseObject } from '../../src/formats/config.js';
import { tensorBytes, writeGguf } from '../../src/formats/gguf-writer.js';
import { replaceTarget } from '../../src/formats/output.js';
import { type GgufPlan, planGguf } from '../../src/formats/plan-gguf.js';
import type { ConvertType } from '../../src/formats/quant-mix.js';
import { READ_ONLY_TYPES, type ReadOnlyType } from './blocks.js';
import { watch } from './child.js';
import { clearStatus, showStatus } from './progress.js';
import { RandomTensors } from './random.js';
import { SHAPES, type Shape, type ShapeName, tensorShapes } from './shapes.js';

const folder = fileURLToPath(new URL('models', import.meta.url));
export const KAIWEN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** The path of the model, which is made if it is missing. A type that Kaiwen does not write fills all matrices. */
export async function prepareModel(name: ShapeName, type: ConvertType | ReadOnlyType): Promise<string> {
  await prepareModels(name, [type]);
  return pathOf(name, type);
}

/** Makes what is missing of one shape's files; a source in bf16 is made once for all and removed at the end. */
export async function prepareModels(name: ShapeName, types: readonly (ConvertType | ReadOnlyType)[]): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const shape: Shape = SHAPES[name];
  const missing = types.filter((type) => !existsSync(pathOf(name, type)));
  const convertible = (type: ConvertType | ReadOnlyType) => !shape.direct && !isReadOnly(type);
  for (const type of missing) if (!convertible(type)) await write(name, shape, type, pathOf(name, type));
  const converted = missing.filter(convertible);
  if (converted.length === 0) return;
  const source = join(folder, `${name}.${process.pid}.gguf`);
  const removeSource = () => rmSync(source, { force: true });
  process.on('exit', removeSource);
  try {
    await write(name, shape, 'bf16', source);
    for (const type of converted) await convert(source, pathOf(name, type), type as ConvertType);
  } finally {
    removeSource();
    process.off('exit', removeSource);
  }
}

function pathOf(name: ShapeName, type: ConvertType | ReadOnlyType): string {
  return join(folder, `${name}-${type}.gguf`);
}

async function write(name: ShapeName, shape: Shape, type: ConvertType | ReadOnlyType, path: string): Promise<void> {
  const checkpoint = describe(name, shape);
  const { metadata, tensors } = isReadOnly(type) ? planAs(checkpoint, type) : planGguf(checkpoint, type);
  const random = new RandomTensors(shape.deviation);
  const filled = tensors.map((tensor) => ({ ...tensor, pieces: () => random.pieces(tensor) }));
  const bytes = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const onBytes = (written: number) => {
    showStatus(`random ${name} in ${type}: ${(written / 1e9).toFixed(1)} of ${(bytes / 1e9).toFixed(1)} GB`);
  };
  await replaceTarget(path, { bytes }, (temporary) => writeGguf(temporary, metadata, filled, { onBytes }));
  clearStatus();
}

/** `kaiwen convert`, which draws its own progress on a terminal. */
async function convert(source: string, target: string, type: ConvertType): Promise<void> {
  if (!process.stderr.isTTY) console.error(`kaiwen convert --type ${type} ${target}`);
  const args = [KAIWEN, 'convert', source, target, '--type', type];
  const child = watch(spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] }));
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`kaiwen convert to ${type} failed.`);
}

function isReadOnly(type: string): type is ReadOnlyType {
  return (READ_ONLY_TYPES as readonly string[]).includes(type);
}

function planAs(checkpoint: Checkpoint, dtype: ReadOnlyType): GgufPlan {
  const { metadata, tensors } = planGguf(checkpoint, 'f32');
  return { metadata, tensors: tensors.map((t) => (t.shape.length > 1 ? { ...t, dtype } : t)) };
}

/** A checkpoint that has everything but weights. */
function describe(name: string, { config: raw, tokenizer }: Shape): Checkpoint {
  const config = normaliseConfig(raw, name);
  const tensors = new Map<string, TensorInfo>();
  for (const [tensor, shape] of tensorShapes(config)) {
    const byteLength = tensorBytes({ dtype: 'f32', shape });
    tensors.set(tensor, { name: tensor, dtype: 'f32', shape, byteLength, file: name });
  }
  const file = join(tokenizer, 'tokenizer_config.json');
  const tokenizerConfig = parseObject(readFileSync(file, 'utf8'), file);
  return {
    ...{ path: name, format: 'safetensors', config, generationConfig: {}, tensors, notices: [] },
    tokenizer: { kind: 'tokenizer.json', path: join(tokenizer, 'tokenizer.json'), config: tokenizerConfig },
    read: () => {
      throw new Error(`${name} has no weights to read.`);
    },
    close: () => {},
    [Symbol.dispose]: () => {},
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2);
  if (args.length === 0) for (const type of ['q8_0', 'q4_0', 'q4_k_m']) args.push('Qwen3-0.6B', type);
  for (let i = 0; i < args.length; i += 2) {
    console.log(await prepareModel(args[i] as ShapeName, args[i + 1] as ConvertType));
  }
}
