/**
 * Compiling the kernel module once and instantiating it over an arena's memory. Two builds exist: relaxed SIMD
 * (fused multiply-add, 8-bit dot products) where the engine knows it, plain SIMD elsewhere.
 */
import { KaiwenError } from '../errors.js';
import { enableRelaxedSimd, readKernels } from './host.js';

export type Simd = 'plain' | 'relaxed';

export interface Kernels {
  begin(program: number, count: number, members: number): void;
  run(member: number, scratch: number): void;
  abandon(): void;
  startJob(): void;
  awaitJob(last: number): number;
  /** Computes one piece of the operation at `op`, on the calling thread. */
  execute(op: number, piece: number, scratch: number): void;
  readAll(pointer: number, bytes: number): number;
  setNative(mask: number): void;
}

/** Machine code bound to one memory, for the thread that bound it (native/bind.ts). */
export interface NativeCalls {
  /** One bit for each kernel there is. */
  readonly mask: number;
  call(kernel: number, args: number): void;
}

/** (module (func (result v128) i32x4.relaxed_trunc_f32x4_s of a constant)): valid only where relaxed SIMD is. */
// biome-ignore format: bytes read better in rows
const PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 25, 1, 23, 0, 253, 12, ...new Uint8Array(16), 253,
  129, 2, 11,
]);

/** The build this machine runs: `wanted`, else KAIWEN_SIMD, else relaxed where it validates. */
export function chooseSimd(wanted?: Simd): Simd {
  const choice = wanted ?? (globalThis.process?.env.KAIWEN_SIMD || undefined);
  if (choice !== undefined && choice !== 'plain' && choice !== 'relaxed') {
    throw new KaiwenError('usage', `KAIWEN_SIMD is "${choice}".`, { remedy: 'Use "plain" or "relaxed".' });
  }
  if (choice === 'plain') return 'plain';
  // Engines that know the proposal but hide it behind a flag (Node 20) accept the flag; newer ones must not see it.
  if (!WebAssembly.validate(PROBE)) enableRelaxedSimd();
  if (WebAssembly.validate(PROBE)) return 'relaxed';
  if (choice === 'relaxed') throw new KaiwenError('unsupported', 'This JavaScript engine has no relaxed SIMD.');
  return 'plain';
}

const modules = new Map<Simd, WebAssembly.Module>();

export function compileKernels(simd: Simd): WebAssembly.Module {
  let module = modules.get(simd);
  if (!module) {
    module = new WebAssembly.Module(readKernels(simd));
    modules.set(simd, module);
  }
  return module;
}

export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory, native?: NativeCalls): Kernels {
  const abort = () => {
    throw new KaiwenError('internal', 'A kernel aborted.');
  };
  const env = { memory, abort, native: native?.call ?? abort };
  const kernels = new WebAssembly.Instance(module, { env }).exports as unknown as Kernels;
  kernels.setNative(native?.mask ?? 0);
  return kernels;
}
