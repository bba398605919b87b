/** What the processor and the system offer: CPUID and XGETBV, run as a generated stub. A hypervisor may hide features. */
import { Assembler, mem, r8, rax, rbx, rcx, rdi, rdx } from './assembler.js';
import { ISA_NAMES, type IsaName } from './isa.js';
import type { Foreign, NativeFunction, Refusal } from './mapping.js';

export interface Features {
  avx2: boolean;
  fma: boolean;
  f16c: boolean;
  /** AVX512F, BW, VL and DQ. */
  avx512: boolean;
  avx512Vnni: boolean;
  avxVnni: boolean;
}

/** The instruction sets that run with these features, best first. All of their kernels may use AVX2, FMA and F16C. */
export function instructionSets({ avx2, fma, f16c, avx512, avx512Vnni, avxVnni }: Features): IsaName[] {
  if (!(avx2 && fma && f16c)) return [];
  const runs = { 'avx512-vnni': avx512 && avx512Vnni, avx512, 'avx-vnni': avxVnni, avx2 };
  return ISA_NAMES.filter((name) => runs[name]);
}

// What the stub writes: a 32-bit word each.
const LEAF_1 = 0;
const LEAF_7_0 = 4;
const LEAF_7_1 = 8;
const XCR0 = 12;
const WORDS = 13;

/** A function of the usual signature that fills WORDS words at `memory`. Leaves that the processor lacks are not written. */
export function cpuidStub(a: Assembler): void {
  const word = (i: number) => mem(rdi, 4 * i);
  const leaf = (number: number, sub: number, words?: number) => {
    a.movImm(rax, number);
    a.movImm(rcx, sub);
    a.cpuid();
    if (words === undefined) return;
    for (const [i, register] of [rax, rbx, rcx, rdx].entries()) a.store32(word(words + i), register);
  };
  const done = a.label();
  const noXgetbv = a.label();
  a.push(rbx); // CPUID overwrites it, and the caller owns it
  leaf(0, 0);
  a.mov(r8, rax);
  leaf(1, 0, LEAF_1);
  a.movImm(rax, 1 << 27);
  a.and(rax, rcx);
  a.jcc('z', noXgetbv);
  a.movImm(rcx, 0);
  a.xgetbv();
  a.store32(word(XCR0), rax);
  a.bind(noXgetbv);
  a.cmp(r8, 7);
  a.jcc('b', done);
  leaf(7, 0, LEAF_7_0);
  a.cmp(rax, 1); // how many subleaves there are
  a.jcc('b', done);
  leaf(7, 1, LEAF_7_1);
  a.bind(done);
  a.pop(rbx);
  a.ret();
}

/** Calls a cpuidStub that is mapped. */
export function readFeatures(foreign: Foreign, stub: NativeFunction): Features {
  const words = new Uint32Array(new SharedArrayBuffer(4 * WORDS));
  stub(foreign.addressOf(words.buffer), 0);
  return featuresOf(words);
}

/** Maps the stub, runs it, unmaps it. */
export function detectFeatures(foreign: Foreign): Features | Refusal {
  const assembler = new Assembler();
  cpuidStub(assembler);
  const mapping = foreign.mapCode(assembler.finish());
  if ('refused' in mapping) return mapping;
  try {
    return readFeatures(foreign, foreign.functionAt(mapping.address));
  } finally {
    mapping[Symbol.dispose]();
  }
}

/** From the stub's words. A feature counts only when the system also saves the registers that it needs. */
export function featuresOf(words: Uint32Array): Features {
  const bit = (word: number, n: number) => ((words[word] >>> n) & 1) === 1;
  const [ebx, ecx] = [1, 2];
  const saves = (state: number) => (words[XCR0] & state) === state;
  const avx = bit(LEAF_1 + ecx, 27) && bit(LEAF_1 + ecx, 28) && saves(0x06); // xmm, ymm
  const zmm = avx && saves(0xe6); // and k, the upper halves of zmm 0 … 15, zmm 16 … 31
  return {
    avx2: avx && bit(LEAF_7_0 + ebx, 5),
    fma: avx && bit(LEAF_1 + ecx, 12),
    f16c: avx && bit(LEAF_1 + ecx, 29),
    avx512: zmm && [16, 17, 30, 31].every((n) => bit(LEAF_7_0 + ebx, n)),
    avx512Vnni: zmm && bit(LEAF_7_0 + ecx, 11),
    avxVnni: avx && bit(LEAF_7_1, 4),
  };
}
