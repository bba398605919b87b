/** Every encoding against the bytes that gas made of the same instruction (scripts/assembler-fixture.ts), and what must be refused. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { emitCall } from '../../../test/assembler-calls.js';
import { Assembler, broadcast, mem, memLabel, rax, rsp, xmm, ymm, zmm } from './assembler.js';
import * as tables from './instructions.js';
import { instruction } from './instructions.js';

const fixture = readFileSync(new URL('./assembler.fixture.txt', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => line.split('|'));

/** Methods that write no instruction of their own: `align` is `nop`, the rest places and delivers bytes. */
const NOT_INSTRUCTIONS = ['constructor', 'label', 'bind', 'data', 'finish', 'offset', 'align'];
const INTERNAL = ['legacy', 'legacyShort', 'relative', 'vector'];

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('every instruction has the bytes that gas gives it', () => {
  const differences = fixture.filter(([call, bytes]) => {
    const assembler = new Assembler();
    emitCall(assembler, call);
    return hex(assembler.finish()) !== bytes;
  });
  expect(differences).toEqual([]);
});

test('no method of the assembler is missing from the fixture', () => {
  const methods = new Set<string>();
  for (let p: object = Assembler.prototype; p !== Object.prototype; p = Object.getPrototypeOf(p)) {
    for (const name of Object.getOwnPropertyNames(p)) methods.add(name);
  }
  for (const name of [...NOT_INSTRUCTIONS, ...INTERNAL]) expect(methods.delete(name)).toBe(true);
  expect(methods.size).toBeGreaterThan(100);
  expect([...methods].sort()).toEqual([...new Set(fixture.map(([call]) => call.split(' ')[0]))].sort());
});

test('every length, encoding, and kind of operand of the tables is in the fixture', () => {
  const seen = new Set<string>();
  for (const [call, bytes] of fixture) {
    const name = call.split(' ')[0];
    const longest = ['zmm', 'ymm', 'xmm'].find((register) => call.includes(register));
    const encoding = bytes.startsWith('62') ? 'EVEX' : 'VEX';
    const operand = call.includes('{b}') ? 'broadcast' : call.includes('[') ? 'memory' : 'register';
    seen.add(`${name} ${longest} ${encoding} ${operand}`);
    if (/\{k\d\}/.test(call)) seen.add(`${name} masked`);
  }
  const missing: string[] = [];
  const expectSeen = (what: string) => seen.has(what) || missing.push(what);
  const { moves, shifts, loads, ...others } = tables;
  const check = (table: Record<string, string>, operands: string[]) => {
    for (const [name, row] of Object.entries(table)) {
      const op = instruction(row);
      for (const bits of op.lengths) {
        for (const encoding of [...(op.vex && bits < 512 ? ['VEX'] : []), ...(op.evex ? ['EVEX'] : [])]) {
          const kinds = encoding === 'EVEX' && op.tuple === 'full' ? [...operands, 'broadcast'] : operands;
          for (const kind of kinds)
            expectSeen(`${name} ${{ 128: 'xmm', 256: 'ymm', 512: 'zmm' }[bits]} ${encoding} ${kind}`);
        }
      }
      if (op.evex) expectSeen(`${name} masked`);
    }
  };
  for (const table of Object.values(others)) if (typeof table === 'object') check(table, ['register', 'memory']);
  check(loads, ['memory']);
  for (const [name, row] of Object.entries(shifts)) check({ [name]: row.replace('full', 'whole') }, ['register']);
  for (const [name, rows] of Object.entries(moves))
    for (const row of rows) check({ [name]: row }, ['register', 'memory']);
  expect(missing).toEqual([]);
});

test('what has no encoding is refused', () => {
  const refused: [RegExp, (a: Assembler) => void][] = [
    [/EVEX/, (a) => a.vpsignb(zmm(0), zmm(1), zmm(2))],
    [/EVEX/, (a) => a.vpsignb(xmm(0), xmm(16), xmm(2))],
    [/EVEX/, (a) => a.vblendps(ymm(0), ymm(1), ymm(2), 1, { k: 1 })],
    [/EVEX/, (a) => a.vperm2f128(zmm(0), zmm(1), zmm(2), 1)],
    [/256-bit/, (a) => a.vextractf64x4(ymm(0), ymm(1), 1)],
    [/128-bit/, (a) => a.vpermps(xmm(0), xmm(1), xmm(2))],
    [/128-bit/, (a) => a.vextractf128(xmm(0), xmm(1), 1)],
    [/broadcast/, (a) => a.vpaddb(zmm(0), zmm(1), broadcast(mem(rax)))],
    [/broadcast/, (a) => a.vmovups(zmm(0), broadcast(mem(rax)))],
    [/128 bits/, (a) => a.vaddps(zmm(0), zmm(1), xmm(2))],
    [/512 and 256 bits/, (a) => a.vaddps(zmm(0), ymm(1), zmm(2))],
    [/512 bits/, (a) => a.vpmovsxbd(zmm(0), zmm(1))],
    [/must be memory/, (a) => a.vbroadcasti32x4(zmm(0), xmm(1) as never)],
    [/zeroing/, (a) => a.vmovups(mem(rax), zmm(1), { k: 1, zero: true })],
    [/zeroing/, (a) => a.vcmpps(1, zmm(0), zmm(1), 0, { k: 1, zero: true })],
    [/cannot mask/, (a) => a.vaddps(zmm(0), zmm(1), zmm(2), { k: 0 })],
    [/no mask register/, (a) => a.kxnorw(8, 0, 0)],
    [/no vector register 32/, (a) => a.vmovups(zmm(32), mem(rax))],
    [/rsp cannot/, (a) => a.lea(rax, mem(rax, 0, rsp))],
    [/no index/, (a) => a.lea(rax, { ...memLabel(a.label()), index: rax })],
    [/not fit 32 bits/, (a) => a.lea(rax, mem(rax, 2 ** 31))],
    [/not fit 32 bits/, (a) => a.add(rax, 2 ** 31)],
    [/not a byte/, (a) => a.vpshufd(xmm(0), xmm(1), 256)],
    [/shift by 64/, (a) => a.shl(rax, 64)],
    [/other is not/, (a) => a.vmovd(xmm(0), xmm(1))],
  ];
  for (const [message, emit] of refused) expect(() => emit(new Assembler()), String(emit)).toThrow(message);
});

test('labels are bound once, and before the code is finished', () => {
  const assembler = new Assembler();
  const label = assembler.label();
  assembler.jmp(label);
  expect(() => assembler.finish()).toThrow(/not bound/);
  assembler.bind(label);
  expect(() => assembler.bind(label)).toThrow(/already/);
  expect(hex(assembler.finish())).toBe('e900000000');
});

test('alignment and data', () => {
  const assembler = new Assembler();
  assembler.ret();
  assembler.align(32);
  expect(assembler.offset).toBe(32);
  assembler.align(32);
  assembler.data([1, 255]);
  const code = assembler.finish();
  expect(code.length).toBe(34);
  expect(hex(code.subarray(32))).toBe('01ff');
});
