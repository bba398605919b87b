/** Numbers that a kernel's instructions read as whole vectors, from behind its code. */
import { type Assembler, type Label, type Mem, memLabel } from './assembler.js';
import type { Isa } from './isa.js';

export class Constants {
  readonly #labels = new Map<number, Label>();

  constructor(
    private readonly a: Assembler,
    private readonly isa: Isa,
  ) {}

  /** An f32 in every lane. */
  of(value: number): Mem {
    const single = Math.fround(value);
    const label = this.#labels.get(single) ?? this.a.label();
    this.#labels.set(single, label);
    return memLabel(label);
  }

  /** Puts the numbers that were asked for here: call it once, behind the last instruction. */
  place(): void {
    this.a.align(64);
    for (const [value, label] of this.#labels) {
      this.a.bind(label);
      this.a.data(new Uint8Array(new Float32Array(this.isa.bits / 32).fill(value).buffer));
    }
  }
}
