/**
 * One layout for a layer's experts: `mlp.experts.{gate,up,down}_proj.weight`, each [experts, out, in]. Files keep
 * them one tensor an expert (`mlp.experts.7.gate_proj.weight`), or gate and up above one another
 * (`mlp.experts.gate_up_proj`, [experts, 2 * out, in]) as transformers 5 does. Only extents are rearranged here;
 * no weight is read.
 */
import { KaiwenError } from '../errors.js';
import { label } from './label.js';
import type { StoredTensor } from './stored.js';

const SINGLE = /^(.*\.mlp\.experts)\.(\d+)\.((?:gate|up|down)_proj\.weight)$/;
const FUSED = /^(.*\.mlp\.experts)\.gate_up_proj(?:\.weight)?$/;
const UNNAMED_DOWN = /\.mlp\.experts\.down_proj$/;

/** Replaces every other layout of experts by the stacked one. Throws 'bad_file' where experts are missing or differ. */
export function stackExperts(tensors: Iterable<StoredTensor>): Map<string, StoredTensor> {
  const result = new Map<string, StoredTensor>();
  const stacks = new Map<string, StoredTensor[]>();
  const add = (tensor: StoredTensor): void => {
    if (result.has(tensor.name)) {
      throw new KaiwenError('bad_file', `${tensor.file}: tensor '${label(tensor.name)}' occurs twice.`);
    }
    result.set(tensor.name, tensor);
  };
  for (const tensor of tensors) {
    const single = SINGLE.exec(tensor.name);
    const fused = FUSED.exec(tensor.name);
    if (single) {
      const name = `${single[1]}.${single[3]}`;
      if (!stacks.has(name)) stacks.set(name, []);
      stacks.get(name)!.push(tensor);
    } else if (fused) {
      const [gate, up] = splitFused(tensor);
      add({ ...gate, name: `${fused[1]}.gate_proj.weight` });
      add({ ...up, name: `${fused[1]}.up_proj.weight` });
    } else if (UNNAMED_DOWN.test(tensor.name)) {
      add({ ...tensor, name: `${tensor.name}.weight` });
    } else {
      add(tensor);
    }
  }
  for (const [name, parts] of stacks) add(stack(name, parts));
  return result;
}

function stack(name: string, parts: StoredTensor[]): StoredTensor {
  const number = ({ name }: StoredTensor): number => Number(SINGLE.exec(name)![2]);
  parts.sort((a, b) => number(a) - number(b));
  const first = parts[0]!;
  parts.forEach((part, i) => {
    if (number(part) !== i) {
      throw new KaiwenError('bad_file', `${part.file}: expert ${i} of '${label(name)}' is missing.`, {
        remedy: 'Download the missing files.',
      });
    }
    if (part.dtype !== first.dtype || part.shape.join() !== first.shape.join()) {
      throw new KaiwenError('bad_file', `${part.file}: '${label(part.name)}' has another type or shape than expert 0.`);
    }
  });
  return {
    ...first,
    name,
    shape: [parts.length, ...first.shape],
    byteLength: first.byteLength * parts.length,
    extents: parts.flatMap((part) => part.extents),
  };
}

function splitFused(tensor: StoredTensor): [gate: StoredTensor, up: StoredTensor] {
  const [count, both, width] = tensor.shape;
  if (tensor.shape.length !== 3 || both! % 2 !== 0) {
    throw new KaiwenError(
      'bad_file',
      `${tensor.file}: '${label(tensor.name)}' has the shape [${tensor.shape.join(', ')}].`,
      {
        remedy: 'It must be [experts, 2 * out, in].',
      },
    );
  }
  const { file, offset } = tensor.extents[0]!;
  const stride = tensor.byteLength / count!;
  const length = stride / 2;
  const half = (start: number): StoredTensor => ({
    ...tensor,
    shape: [count!, both! / 2, width!],
    byteLength: tensor.byteLength / 2,
    extents: [{ file, offset: offset + start, length, count: count!, stride }],
  });
  return [half(0), half(length)];
}
