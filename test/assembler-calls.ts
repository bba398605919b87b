/**
 * Calls of the assembler as text, one a line: the method, then operands in the order of its parameters.
 * `rax`, `zmm3`, `k1` are registers, `[rbx+rcx*4-8]` is memory (`{b}` after it: broadcast), `{k1}` and `{k1}{z}` are masks,
 * `@8` is a label 8 bytes after the instruction, `[@-8]` memory at a label 8 bytes before it.
 */
import { type Assembler, generalRegisters, type Label, type Mem, type Scale } from '../src/tensor/native/assembler.js';

export const generalNames = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');

const register = (name: string) => generalRegisters[generalNames.indexOf(name)];

/** Emits one call; the space around a label's distance is zeros. */
export function emitCall(assembler: Assembler, call: string): void {
  const [name, ...words] = call.split(' ');
  const label = assembler.label();
  const distance = Number(/@(-?\d+)/.exec(call)?.[1] ?? Number.NaN);
  if (distance < 0) {
    assembler.bind(label);
    assembler.data(new Uint8Array(-distance));
  }
  const operands = words.map((word) => operand(word, label));
  (assembler as unknown as Record<string, (...operands: unknown[]) => void>)[name](...operands);
  if (distance >= 0) {
    assembler.data(new Uint8Array(distance));
    assembler.bind(label);
  }
}

function operand(word: string, label: Label): unknown {
  if (generalNames.includes(word)) return register(word);
  const vector = /^([xyz])mm(\d+)$/.exec(word);
  if (vector) return { n: Number(vector[2]), bits: { x: 128, y: 256, z: 512 }[vector[1]] };
  const mask = /^\{k(\d)\}(\{z\})?$/.exec(word);
  if (mask) return { k: Number(mask[1]), zero: mask[2] !== undefined };
  if (/^k\d$/.test(word)) return Number(word[1]);
  if (word.startsWith('@')) return label;
  if (word.startsWith('[')) return memory(word, label);
  if (/^-?\d+n$/.test(word)) return BigInt(word.slice(0, -1));
  return /^-?\d+$/.test(word) ? Number(word) : word;
}

function memory(word: string, label: Label): Mem {
  const parts = /^\[(\w+|@-?\d+)(?:\+(\w+)\*(\d))?([+-]\d+)?\](\{b\})?$/.exec(word);
  if (!parts) throw new Error(`unreadable memory operand ${word}`);
  const [, base, index, scale, disp, broadcast] = parts;
  return {
    base: base.startsWith('@') ? label : register(base),
    disp: Number(disp ?? 0),
    ...(index && { index: register(index), scale: Number(scale) as Scale }),
    ...(broadcast && { broadcast: true }),
  };
}
