/** The vector instructions whose operands fit no table: moves between register files, masks, and forms that differ by operand. */
import { instruction } from './instructions.js';
import { IntegerAssembler } from './integer.js';
import { type Gp, isGp, isMem, type Mask, type Mem, type Vec } from './registers.js';

const special = {
  vmovssLoad: instruction('F3.0F.W0 10 element4 128'),
  vmovssStore: instruction('F3.0F.W0 11 element4 128'),
  vmovdLoad: instruction('66.0F.W0 6E element4 128'),
  vmovdStore: instruction('66.0F.W0 7E element4 128'),
  vmovqLoad: instruction('F3.0F.W0 7E element8 128 vex'),
  vmovqStore: instruction('66.0F.W0 D6 element8 128 vex'),
  vmovqFromGp: instruction('66.0F.W1 6E element8 128'),
  vmovqToGp: instruction('66.0F.W1 7E element8 128'),
  vpbroadcastb: instruction('66.0F38.W0 78 element1'),
  vpbroadcastw: instruction('66.0F38.W0 79 element2'),
  vpbroadcastd: instruction('66.0F38.W0 58 element4'),
  vpbroadcastbFromGp: instruction('66.0F38.W0 7A element1 evex'),
  vpbroadcastwFromGp: instruction('66.0F38.W0 7B element2 evex'),
  vpbroadcastdFromGp: instruction('66.0F38.W0 7C element4 evex'),
  vpermilps: instruction('66.0F38.W0 0C full'),
  vpermilpsImmediate: instruction('66.0F3A.W0 04 full'),
  vcmpps: instruction('NP.0F.W0 C2 full evex'),
  kmovwFromGp: instruction('NP.0F.W0 92 element4 128 vex'),
  kmovwToGp: instruction('NP.0F.W0 93 element4 128 vex'),
  kmovdFromGp: instruction('F2.0F.W0 92 element4 128 vex'),
  kmovdToGp: instruction('F2.0F.W0 93 element4 128 vex'),
  kmovqFromGp: instruction('F2.0F.W1 92 element8 128 vex'),
  kmovqToGp: instruction('F2.0F.W1 93 element8 128 vex'),
  kxnorw: instruction('NP.0F.W0 46 whole 256 vex'),
};
type Special = (typeof special)[keyof typeof special];

export class SpecialAssembler extends IntegerAssembler {
  vmovss(dst: Vec | Mem, src: Vec | Mem, mask?: Mask): void {
    this.#element(special.vmovssLoad, special.vmovssStore, dst, src, mask);
  }

  vmovd(dst: Vec | Mem | Gp, src: Vec | Mem | Gp): void {
    this.#element(special.vmovdLoad, special.vmovdStore, dst, src);
  }

  vmovq(dst: Vec | Mem | Gp, src: Vec | Mem | Gp): void {
    // Memory has two encodings each way; this is gas's choice.
    const high = [dst, src].some((operand) => 'n' in operand && operand.n > 15);
    if (isGp(dst) || isGp(src) || high) this.#element(special.vmovqFromGp, special.vmovqToGp, dst, src);
    else this.#element(special.vmovqLoad, special.vmovqStore, dst, src);
  }

  vpbroadcastb(dst: Vec, src: Vec | Mem | Gp, mask?: Mask): void {
    this.vector(isGp(src) ? special.vpbroadcastbFromGp : special.vpbroadcastb, dst.bits, dst.n, 0, src, mask);
  }

  vpbroadcastw(dst: Vec, src: Vec | Mem | Gp, mask?: Mask): void {
    this.vector(isGp(src) ? special.vpbroadcastwFromGp : special.vpbroadcastw, dst.bits, dst.n, 0, src, mask);
  }

  vpbroadcastd(dst: Vec, src: Vec | Mem | Gp, mask?: Mask): void {
    this.vector(isGp(src) ? special.vpbroadcastdFromGp : special.vpbroadcastd, dst.bits, dst.n, 0, src, mask);
  }

  /** Control as an immediate for all lanes, or a vector. */
  vpermilps(dst: Vec, src: Vec | Mem, control: Vec | Mem | number, mask?: Mask): void {
    if (typeof control === 'number') {
      this.vector(special.vpermilpsImmediate, dst.bits, dst.n, 0, src, mask, control);
    } else {
      if (isMem(src)) throw new Error('permuted elements come from a register when the control is a vector');
      sameLength(dst, src);
      this.vector(special.vpermilps, dst.bits, dst.n, src.n, control, mask);
    }
  }

  /** Compares into mask register `k`; under a mask, bits outside it become zero. */
  vcmpps(k: number, a: Vec, b: Vec | Mem, predicate: number, mask?: Mask): void {
    if (mask?.zero) throw new Error('a comparison has no zeroing form');
    this.vector(special.vcmpps, a.bits, maskRegister(k), a.n, b, mask, predicate);
  }

  /** 16 bits between a mask register and the lower half of a general register. */
  kmovw(dst: number | Gp, src: number | Gp): void {
    this.#maskMove(special.kmovwFromGp, special.kmovwToGp, dst, src);
  }

  /** 32 bits. */
  kmovd(dst: number | Gp, src: number | Gp): void {
    this.#maskMove(special.kmovdFromGp, special.kmovdToGp, dst, src);
  }

  /** 64 bits. */
  kmovq(dst: number | Gp, src: number | Gp): void {
    this.#maskMove(special.kmovqFromGp, special.kmovqToGp, dst, src);
  }

  kxnorw(dst: number, a: number, b: number): void {
    const second = { n: maskRegister(b), bits: 256 } as const;
    this.vector(special.kxnorw, 256, maskRegister(dst), maskRegister(a), second);
  }

  #element(load: Special, store: Special, dst: Vec | Mem | Gp, src: Vec | Mem | Gp, mask?: Mask): void {
    if ('n' in dst === 'n' in src) throw new Error('one operand is a vector register, the other is not');
    checkStore(dst, mask);
    if ('n' in dst) this.vector(load, dst.bits, dst.n, 0, src, mask);
    else if ('n' in src) this.vector(store, src.bits, src.n, 0, dst, mask);
  }

  #maskMove(load: Special, store: Special, dst: number | Gp, src: number | Gp): void {
    if (typeof dst === 'number' && isGp(src)) this.vector(load, 128, maskRegister(dst), 0, src);
    else if (isGp(dst) && typeof src === 'number')
      this.vector(store, 128, dst.gp, 0, { n: maskRegister(src), bits: 128 });
    else throw new Error('one operand is a mask register, the other a general one');
  }
}

/** Checks what every store shares: elements in memory can be left alone, not zeroed. */
export function checkStore(dst: object, mask: Mask | undefined): void {
  if (mask?.zero && isMem(dst)) throw new Error('a store has no zeroing form');
}

export function sameLength(a: Vec, b: Vec): void {
  if (a.bits !== b.bits) throw new Error(`operands of ${a.bits} and ${b.bits} bits`);
}

function maskRegister(k: number): number {
  if (!(k >= 0 && k < 8)) throw new Error(`there is no mask register k${k}`);
  return k;
}
