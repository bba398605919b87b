/**
 * An assembler for x86-64: one method an instruction, operands in Intel's order (destination first).
 *
 * It knows the instructions of Kaiwen's inner loops and no others, in one encoding each: the one that gas chooses,
 * except that jumps always take 32-bit distances. Every encoding is compared with gas's bytes (assembler.fixture.txt).
 * It only makes bytes; mapping.ts makes them executable.
 */
import * as tables from './instructions.js';
import { instruction, type VectorMethods } from './instructions.js';
import { isMem, type Mask, type Mem, type Vec } from './registers.js';
import { checkStore, SpecialAssembler, sameLength } from './special.js';

export type { Condition } from './integer.js';
export * from './registers.js';

type Source = Vec | Mem;

/** Gives the tables' instructions to its prototype, one shape of operands after the other. */
class TableAssembler extends SpecialAssembler {
  static {
    for (const [name, row] of Object.entries(tables.threeOperands)) {
      const op = instruction(row);
      define(name, function (dst: Vec, a: Vec, b: Source, mask?: Mask) {
        sameLength(dst, a);
        this.vector(op, dst.bits, dst.n, a.n, b, mask);
      });
    }
    for (const [name, row] of Object.entries(tables.threeOperandsImmediate)) {
      const op = instruction(row);
      define(name, function (dst: Vec, a: Vec, b: Source, imm: number, mask?: Mask) {
        sameLength(dst, a);
        this.vector(op, dst.bits, dst.n, a.n, b, mask, imm);
      });
    }
    for (const [name, row] of Object.entries(tables.twoOperands)) {
      const op = instruction(row);
      define(name, function (dst: Vec, src: Source, mask?: Mask) {
        this.vector(op, dst.bits, dst.n, 0, src, mask);
      });
    }
    for (const [name, row] of Object.entries(tables.loads)) {
      const op = instruction(row);
      define(name, function (dst: Vec, src: Mem, mask?: Mask) {
        if (!isMem(src)) throw new Error('the source must be memory');
        this.vector(op, dst.bits, dst.n, 0, src, mask);
      });
    }
    for (const [name, row] of Object.entries(tables.twoOperandsImmediate)) {
      const op = instruction(row);
      define(name, function (dst: Vec, src: Source, imm: number, mask?: Mask) {
        this.vector(op, dst.bits, dst.n, 0, src, mask, imm);
      });
    }
    for (const [name, row] of Object.entries(tables.shifts)) {
      const op = instruction(row);
      define(name, function (dst: Vec, src: Vec, imm: number, mask?: Mask) {
        this.vector(op, dst.bits, op.digit!, dst.n, src, mask, imm);
      });
    }
    for (const [name, row] of Object.entries(tables.narrowing)) {
      const op = instruction(row);
      define(name, function (dst: Source, src: Vec, mask?: Mask) {
        checkStore(dst, mask);
        this.vector(op, src.bits, src.n, 0, dst, mask);
      });
    }
    for (const [name, row] of Object.entries(tables.narrowingImmediate)) {
      const op = instruction(row);
      define(name, function (dst: Source, src: Vec, imm: number, mask?: Mask) {
        checkStore(dst, mask);
        this.vector(op, src.bits, src.n, 0, dst, mask, imm);
      });
    }
    for (const [name, [load, store]] of Object.entries(tables.moves)) {
      const [loadOp, storeOp] = [instruction(load), instruction(store)];
      define(name, function (dst: Source, src: Source, mask?: Mask) {
        checkStore(dst, mask);
        if ('n' in dst) this.vector(loadOp, dst.bits, dst.n, 0, src, mask);
        else if ('n' in src) this.vector(storeOp, src.bits, src.n, 0, dst, mask);
        else throw new Error('a move from memory to memory');
      });
    }

    function define<Operands extends unknown[]>(
      name: string,
      value: (this: TableAssembler, ...operands: Operands) => void,
    ) {
      Object.defineProperty(TableAssembler.prototype, name, { value });
    }
  }
}

export class Assembler extends (TableAssembler as unknown as new () => SpecialAssembler & VectorMethods) {}
