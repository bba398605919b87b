/** Calls that cover what the assembler can emit: every method, length, register class, way to address, broadcast and mask. */

import * as tables from '../src/tensor/native/instructions.js';
import { type Instruction, instruction } from '../src/tensor/native/instructions.js';
import { generalNames } from '../test/assembler-calls.js';

const LETTERS = { 128: 'x', 256: 'y', 512: 'z' } as const;
type Bits = keyof typeof LETTERS;

let state = 1;
/** A pseudo-random number below `below`, the same in every run. */
function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}
const pick = <T>(list: readonly T[]): T => list[random(list.length)];

/** All calls; more rounds vary the operands more. */
export function allCalls(rounds: number, seed: number): string[] {
  state = seed + 1;
  const calls = [...plain(), ...addressing()];
  for (let round = 0; round < rounds; round++) calls.push(...integers(), ...vectors(), ...specials());
  return [...new Set(calls)];
}

function plain(): string[] {
  const calls = ['ret', 'cpuid', 'xgetbv', 'vzeroupper'];
  for (let n = 1; n <= 9; n++) calls.push(`nop ${n}`);
  calls.push('jmp @200', 'jcc l @200');
  for (const label of ['@8', '@-8']) {
    calls.push(`jmp ${label}`, `leaLabel rcx ${label}`, `leaLabel r9 ${label}`, `load64 r10 [${label}]`);
    calls.push(`vpaddd ymm1 ymm2 [${label}]`, `vpaddd zmm1 zmm2 [${label}+64]`, `vpaddd zmm1 zmm20 [${label}]{b}`);
    calls.push(`vpshufd xmm9 [${label}] 27`, `vpternlogd zmm1 zmm2 [${label}-4]{b} 255`, `cmpMem rdi [${label}]`);
    for (const condition of ['b', 'ae', 'e', 'z', 'ne', 'nz', 'be', 'a', 'l', 'ge', 'le', 'g'])
      calls.push(`jcc ${condition} ${label}`);
  }
  for (let k = 1; k < 8; k++) calls.push(`vaddps zmm1 zmm2 zmm3 {k${k}}`, `vaddps xmm4 xmm5 [rax] {k${k}}{z}`);
  return calls;
}

/** Every base and index, and displacements on both sides of every limit. */
function addressing(): string[] {
  const calls: string[] = [];
  for (const base of generalNames) {
    for (const disp of ['', '+127', '+128', '-128', '-129', '+2147483647', '-2147483648']) {
      calls.push(`lea rax [${base}${disp}]`);
      if (/^$|8$/.test(disp)) calls.push(`vmovups ymm1 [${base}${disp}]`);
    }
    for (const disp of ['', '+64', '+8128', '+8192', '-8192', '-8256', '+8'])
      calls.push(`vmovups zmm1 [${base}${disp}]`);
    if (base === 'rsp') continue;
    for (const other of ['rax', 'rsp', 'rbp', 'r12', 'r13']) {
      calls.push(
        `load64 r9 [${other}+${base}*${pick([1, 2, 4, 8])}]`,
        `vmovups zmm17 [${other}+${base}*${pick([1, 2, 4, 8])}+64]`,
      );
    }
  }
  return calls;
}

const general = () => pick(generalNames);

function memory(unit: number): string {
  const index = random(2) ? `+${pick(generalNames.filter((name) => name !== 'rsp'))}*${pick([1, 2, 4, 8])}` : '';
  const disp = pick([0, 0, 1, -1, unit, -unit, 3 * unit, 127 * unit, 128 * unit, -128 * unit, -129 * unit, 100003]);
  return `[${general()}${index}${disp ? (disp < 0 ? disp : `+${disp}`) : ''}]`;
}

function integers(): string[] {
  const calls: string[] = [];
  const small = () => pick([0, 1, -1, 127, -128]);
  const large = () => pick([128, -129, 255, 65536, 2147483647, -2147483648]);
  const two = () => `${general()} ${general()}`;
  for (const name of ['add', 'or', 'and', 'sub', 'xor', 'cmp']) {
    calls.push(
      `${name} ${two()}`,
      `${name} ${two()}`,
      `${name} ${general()} ${small()}`,
      `${name} ${general()} ${large()}`,
    );
    calls.push(`${name} rax ${small()}`, `${name} rax ${large()}`);
  }
  for (const name of ['mov', 'imul', 'test']) calls.push(`${name} ${two()}`, `${name} ${two()}`, `${name} ${two()}`);
  for (const name of ['shl', 'shr', 'sar'])
    for (const count of [0, 1, 2, 63]) calls.push(`${name} ${general()} ${count}`);
  for (const name of ['inc', 'dec', 'push', 'pop'])
    calls.push(`${name} ${pick(generalNames.slice(0, 8))}`, `${name} ${pick(generalNames.slice(8))}`);
  for (const name of ['load64', 'load32', 'loadS32', 'addMem', 'cmpMem', 'lea']) {
    for (let i = 0; i < 4; i++) calls.push(`${name} ${general()} ${memory(8)}`);
  }
  for (const name of ['store64', 'store32'])
    for (let i = 0; i < 4; i++) calls.push(`${name} ${memory(8)} ${general()}`);
  for (const name of ['prefetchnta', 'prefetcht0', 'prefetcht1'])
    calls.push(`${name} ${memory(64)}`, `${name} ${memory(64)}`);
  calls.push(`imulImm ${two()} ${small()}`, `imulImm ${two()} ${large()}`);
  for (const value of [
    '0',
    '1',
    '-1',
    '2147483648',
    '4294967295',
    '4294967296',
    '-2147483648',
    '-2147483649',
    '9007199254740991',
    '1311768467463790320n',
  ]) {
    calls.push(`movImm ${general()} ${value}`);
  }
  return calls;
}

/** Ways to fill the operands of a vector instruction. */
interface Style {
  evex: boolean;
  memory: boolean;
  broadcast?: boolean;
  /** Chance decides where it is not said. */
  mask?: 'none' | 'merge' | 'zero';
  /** The numbers that registers are taken from. */
  from: number;
  to: number;
}

const STYLES: Style[] = [
  { evex: false, memory: false, from: 0, to: 8 },
  { evex: false, memory: false, from: 8, to: 16 },
  { evex: false, memory: true, from: 0, to: 16 },
  { evex: true, memory: false, mask: 'none', from: 16, to: 32 },
  { evex: true, memory: false, mask: 'zero', from: 0, to: 32 },
  { evex: true, memory: true, mask: 'none', from: 16, to: 32 },
  { evex: true, memory: true, mask: 'merge', from: 0, to: 32 },
  { evex: true, memory: true, broadcast: true, from: 0, to: 32 },
];

/** The operands of an instruction; one of them, the last unless it is stored to, may be memory. */
interface Shape {
  registers: number;
  /** The operand that may be memory is the destination. */
  stores?: boolean;
  immediate?: boolean;
  onlyMemory?: boolean;
  onlyRegisters?: boolean;
}

function vectors(): string[] {
  const calls: string[] = [];
  const add = (table: Record<string, string>, shape: Shape) => {
    for (const [name, row] of Object.entries(table)) calls.push(...vectorCalls(name, instruction(row), shape));
  };
  add(tables.threeOperands, { registers: 3 });
  add(tables.threeOperandsImmediate, { registers: 3, immediate: true });
  add(tables.twoOperands, { registers: 2 });
  add(tables.loads, { registers: 2, onlyMemory: true });
  add(tables.twoOperandsImmediate, { registers: 2, immediate: true });
  add(tables.shifts, { registers: 2, immediate: true, onlyRegisters: true });
  add(tables.narrowing, { registers: 2, stores: true });
  add(tables.narrowingImmediate, { registers: 2, stores: true, immediate: true });
  for (const [name, [load, store]] of Object.entries(tables.moves)) {
    calls.push(...vectorCalls(name, instruction(load), { registers: 2 }));
    calls.push(...vectorCalls(name, instruction(store), { registers: 2, stores: true, onlyMemory: true }));
  }
  return calls;
}

function vectorCalls(name: string, op: Instruction, shape: Shape): string[] {
  const calls: string[] = [];
  for (const bits of op.lengths) {
    for (const style of STYLES) {
      if (style.evex ? !op.evex : !op.vex || bits === 512) continue;
      if (style.broadcast && op.tuple !== 'full') continue;
      if (style.memory ? shape.onlyRegisters : shape.onlyMemory) continue;
      const call = vectorCall(name, op, bits, style, shape);
      if (call) calls.push(call);
    }
  }
  return calls;
}

function vectorCall(name: string, op: Instruction, bits: Bits, style: Style, shape: Shape): string {
  const bytes = { full: bits / 8, whole: bits / 8, half: bits / 16, quarter: bits / 32, part128: 16, part256: 32 };
  const size = op.tuple in bytes ? bytes[op.tuple as keyof typeof bytes] : Number(op.tuple.slice(7));
  const number = () => style.from + random(style.to - style.from);
  const other = style.memory
    ? memory(style.broadcast ? 4 << op.w.evex : size) + (style.broadcast ? '{b}' : '')
    : `${LETTERS[Math.max(128, size * 8) as Bits]}mm${number()}`;
  const registers = Array.from({ length: shape.registers - 1 }, () => `${LETTERS[bits]}mm${number()}`);
  const mask = style.evex ? (style.mask ?? pick(['none', 'merge', 'zero'] as const)) : 'none';
  const words = shape.stores ? [other, ...registers] : [...registers, other];
  if (shape.immediate) words.push(String(random(name === 'vroundps' || name === 'vcvtps2ph' ? 8 : 256)));
  if (mask !== 'none') words.push(`{k${1 + random(7)}}${mask === 'zero' ? '{z}' : ''}`);
  return `${name} ${words.join(' ')}`;
}

function specials(): string[] {
  const calls: string[] = [];
  const mask = () => `k${random(8)}`;
  const xmm = (below: number) => `xmm${random(below)}`;
  for (const [name, unit] of [
    ['vmovss', 4],
    ['vmovd', 4],
    ['vmovq', 8],
  ] as const) {
    for (const below of [8, 16, 32, 32]) {
      calls.push(`${name} ${xmm(below)} ${memory(unit)}`, `${name} ${memory(unit)} ${xmm(below)}`);
      if (name !== 'vmovss') calls.push(`${name} ${xmm(below)} ${general()}`, `${name} ${general()} ${xmm(below)}`);
    }
  }
  calls.push(`vmovss ${xmm(32)} ${memory(4)} {k1}{z}`, `vmovss ${memory(4)} ${xmm(32)} {k2}`);
  for (const [name, size] of [
    ['vpbroadcastb', 1],
    ['vpbroadcastw', 2],
    ['vpbroadcastd', 4],
  ] as const) {
    const row = `66.0F38.W0 00 element${size}`;
    calls.push(...vectorCalls(name, instruction(row), { registers: 2 }));
    for (const bits of [128, 256, 512] as const) calls.push(`${name} ${LETTERS[bits]}mm${random(32)} ${general()}`);
    calls.push(`${name} zmm${random(32)} ${general()} {k${1 + random(7)}}{z}`);
  }
  const full = instruction('66.0F38.W0 00 full');
  calls.push(...vectorCalls('vpermilps', full, { registers: 3 }));
  calls.push(...vectorCalls('vpermilps', full, { registers: 2, immediate: true }));
  for (const bits of [128, 256, 512] as const) {
    const v = () => `${LETTERS[bits]}mm${random(32)}`;
    calls.push(
      `vcmpps ${mask()} ${v()} ${v()} ${random(32)}`,
      `vcmpps ${mask()} ${v()} ${memory(bits / 8)} ${random(32)} {k3}`,
    );
    calls.push(`vcmpps ${mask()} ${v()} ${memory(4)}{b} ${random(32)}`);
  }
  for (const name of ['kmovw', 'kmovd', 'kmovq']) {
    for (const names of [generalNames.slice(0, 8), generalNames.slice(8)]) {
      calls.push(`${name} ${mask()} ${pick(names)}`, `${name} ${pick(names)} ${mask()}`);
    }
  }
  for (let i = 0; i < 3; i++) calls.push(`kxnorw ${mask()} ${mask()} ${mask()}`);
  return calls;
}
