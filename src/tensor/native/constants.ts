/** Numbers that a kernel's instructions read as whole vectors, from behind its code. */
import { type Assembler, type Label, type Mem, memLabel, type Vec, ymm, zmm } from './assembler.js';
import type { Isa } from './isa.js';

export class Constants {
  readonly #labels = new Map<string, { label: Label; words: Uint32Array }>();

  constructor(
    private readonly a: Assembler,
    private readonly isa: Isa,
  ) {}

  /** An f32 in every lane. */
  of(value: number): Mem {
    return this.words(bitsOf(value));
  }

  /** 32-bit words, repeated over the vector. */
  words(...words: number[]): Mem {
    const repeated = Uint32Array.from({ length: this.isa.bits / 32 }, (_, i) => words[i % words.length]);
    const key = repeated.join();
    const constant = this.#labels.get(key) ?? { label: this.a.label(), words: repeated };
    this.#labels.set(key, constant);
    return memLabel(constant.label);
  }

  /** Puts the numbers that were asked for here: call it once, behind the last instruction. */
  place(): void {
    this.a.align(64);
    for (const { label, words } of this.#labels.values()) {
      this.a.bind(label);
      this.a.data(new Uint8Array(words.buffer));
    }
  }
}

/** Puts as many of the values as fit into the upper half of the registers; the others stay in memory. */
export function holdConstants(
  a: Assembler,
  isa: Isa,
  constants: Constants,
  values: readonly number[],
): (value: number) => Vec | Mem {
  const held = values.slice(0, isa.registers / 2);
  const register = (i: number) => (isa.bits === 512 ? zmm : ymm)(isa.registers / 2 + i);
  for (const [i, value] of held.entries()) a.vmovups(register(i), constants.of(value));
  return (value) => {
    const i = held.findIndex((other) => Object.is(other, value));
    return i < 0 ? constants.of(value) : register(i);
  };
}

/** An f32 as a 32-bit word. */
export const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0];

/** Two equal 16-bit integers as a 32-bit word. */
export const words16 = (value: number): number => (value & 0xffff) * 0x00010001;
