/** All native kernels as one piece of machine code: what is mapped is this and nothing else. */
import { Assembler } from './assembler.js';
import { storeKeys, storeValues } from './cache.js';
import { copyRows } from './copy.js';
import { floatRows } from './float.js';
import { scoreGradients } from './gradients.js';
import { ISAS, type Isa, type IsaName } from './isa.js';
import { Native } from './kernels.js';
import { normRows } from './norm.js';
import { normBackwardRows } from './norm-backward.js';
import { packRows } from './pack.js';
import { product, productHalf, productTransposed } from './product.js';
import { quantizeBlocks } from './quantize.js';
import { emitPanels } from './quantized.js';
import { readMemory } from './read.js';
import { ropeHeads } from './rope.js';
import { softmaxRows } from './softmax.js';
import { swigluRows } from './swiglu.js';
import { swigluBackwardRows } from './swiglu-backward.js';
import { weighted8 } from './weighted.js';

/** Kernels by number. */
const KERNELS: Readonly<Record<Native, (a: Assembler, isa: Isa) => void>> = {
  [Native.q8_0]: (a, isa) => emitPanels(a, isa, 'q8_0'),
  [Native.q4_0]: (a, isa) => emitPanels(a, isa, 'q4_0'),
  [Native.q4_k]: (a, isa) => emitPanels(a, isa, 'q4_k'),
  [Native.q6_k]: (a, isa) => emitPanels(a, isa, 'q6_k'),
  [Native.product]: product,
  [Native.f32]: floatRows('f32'),
  [Native.f16]: floatRows('f16'),
  [Native.bf16]: floatRows('bf16'),
  [Native.packF32]: packRows('f32'),
  [Native.packF16]: packRows('f16'),
  [Native.packBF16]: packRows('bf16'),
  [Native.productHalf]: productHalf,
  [Native.softmaxRows]: softmaxRows,
  [Native.read]: readMemory,
  [Native.weighted8]: weighted8,
  [Native.quantize]: quantizeBlocks,
  [Native.swiglu]: swigluRows,
  [Native.norm]: normRows,
  [Native.rope]: ropeHeads,
  [Native.storeKeys]: storeKeys,
  [Native.storeValues]: storeValues,
  [Native.productTransposed]: productTransposed,
  [Native.copyF32]: copyRows('f32'),
  [Native.copyF16]: copyRows('f16'),
  [Native.copyBF16]: copyRows('bf16'),
  [Native.scoreGradients]: scoreGradients,
  [Native.swigluBackward]: swigluBackwardRows,
  [Native.normBackward]: normBackwardRows,
};

export interface MachineCode {
  bytes: Uint8Array<ArrayBuffer>;
  /** Where each kernel begins. */
  entries: number[];
}

/** The same bytes for the same instruction set, always: nothing else decides what is generated. */
export function generate(isa: IsaName): MachineCode {
  const a = new Assembler();
  const entries = Object.values(KERNELS).map((emit) => {
    a.align(64);
    const entry = a.offset;
    emit(a, ISAS[isa]);
    return entry;
  });
  return { bytes: a.finish(), entries };
}
