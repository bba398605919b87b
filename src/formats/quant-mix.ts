/**
 * Which type each tensor of a GGUF file gets. The choices are those of llama.cpp's quantiser (src/llama-quant.cpp),
 * so that files compare with its own; where it would fall back to Q5_0 for rows that do not fit super-blocks of
 * 256, Q8_0 is written.
 */
import { DTYPES, type DType } from '../tensor/dtype.js';

export const CONVERT_TYPES = ['q8_0', 'q4_0', 'q4_k_m', 'q6_k', 'f16', 'bf16', 'f32'] as const;
export type ConvertType = (typeof CONVERT_TYPES)[number];

/** `general.file_type`, llama.cpp's number for the mixture. */
export const FILE_TYPES: Readonly<Record<ConvertType, number>> = {
  f32: 0,
  f16: 1,
  q4_0: 2,
  q8_0: 7,
  q4_k_m: 15,
  q6_k: 18,
  bf16: 32,
};

export interface MixContext {
  layers: number;
  /** The embedding serves as output head too. */
  tied: boolean;
}

/** Small tensors that decide much: norms, the experts' router, convolution and gates of the recurrent layers. */
const KEPT = /(?:_norm\.weight|ffn_gate_inp(?:_shexp)?\.weight|ssm_(?:conv1d|alpha|beta)\.weight|^rope_freqs\.weight)$/;

/** The type of the tensor `name` (GGUF's) with the shape that is written. */
export function mixedType(type: ConvertType, name: string, shape: readonly number[], context: MixContext): DType {
  if (shape.length < 2 || !name.endsWith('.weight') || KEPT.test(name)) return 'f32';
  return fitting(preferred(type, name, context), shape.at(-1)!);
}

function preferred(type: ConvertType, name: string, { layers, tied }: MixContext): DType {
  const base = type === 'q4_k_m' ? 'q4_k' : type;
  const head = name === 'output.weight' || (tied && name === 'token_embd.weight');
  if (head && (base === 'q4_0' || base === 'q4_k')) return 'q6_k';
  if (type === 'q4_k_m' && /\.(?:attn_v|attn_qkv|ffn_down|ffn_down_exps)\.weight$/.test(name)) {
    const layer = Number(/^blk\.(\d+)\./.exec(name)?.[1]);
    if (moreBits(layer, layers)) return 'q6_k';
  }
  return base;
}

/** The first and last eighth of the layers, and every third between. */
function moreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}

/** The type itself where rows of `width` are whole blocks, else the nearest that fits. */
function fitting(dtype: DType, width: number): DType {
  if (width % DTYPES[dtype].block === 0) return dtype;
  return width % DTYPES.q8_0.block === 0 ? 'q8_0' : 'f16';
}
