/**
 * Compares the assembler with gas, and writes the fixture that the tests compare it with where there is no gas.
 *
 *   npx tsx scripts/assembler-fixture.ts               compares and writes src/tensor/native/assembler.fixture.txt
 *   npx tsx scripts/assembler-fixture.ts --check 50    compares 50 rounds of other operands, writes nothing
 *
 * Needs GNU binutils (as, nm, objcopy). Run it by hand after adding an instruction.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Assembler } from '../src/tensor/native/assembler.js';
import * as tables from '../src/tensor/native/instructions.js';
import { emitCall, generalNames } from '../test/assembler-calls.js';
import { allCalls } from './assembler-cases.js';

const FIXTURE = new URL('../src/tensor/native/assembler.fixture.txt', import.meta.url);

const rounds = process.argv[2] === '--check' ? Number(process.argv[3]) : 0;
const calls = allCalls(rounds || 1, rounds);
const expected = assembleWithGas(calls);
let wrong = 0;
for (const [i, call] of calls.entries()) {
  const assembler = new Assembler();
  let actual: string;
  try {
    emitCall(assembler, call);
    actual = Buffer.from(assembler.finish()).toString('hex');
  } catch (error) {
    actual = String(error);
  }
  if (actual === expected[i]) continue;
  if (wrong++ < 40) console.error(`${call}\n  gas  ${expected[i]}  ${intel(call)}\n  ours ${actual}`);
}
console.log(`${calls.length} calls, ${wrong} differ from gas`);
if (wrong) process.exitCode = 1;
else if (!rounds) writeFileSync(FIXTURE, calls.map((call, i) => `${call}|${expected[i]}\n`).join(''));

/** The bytes of every call, in hexadecimal. */
function assembleWithGas(calls: string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'assembler-'));
  try {
    const [source, object, binary] = ['a.s', 'a.o', 'a.bin'].map((name) => join(folder, name));
    const lines = calls.map((call, i) => `case${i}:\n${intel(call)}`);
    writeFileSync(source, `.intel_syntax noprefix\n${lines.join('\n')}\ncase${calls.length}:\n`);
    execFileSync('as', ['-o', object, source], { stdio: 'inherit' });
    execFileSync('objcopy', ['-O', 'binary', '-j', '.text', object, binary]);
    const symbols = execFileSync('nm', [object], { encoding: 'utf8', maxBuffer: 1 << 28 });
    const starts: number[] = [];
    for (const [, address, i] of symbols.matchAll(/^(\w+) . case(\d+)$/gm))
      starts[Number(i)] = Number.parseInt(address, 16);
    const code = readFileSync(binary);
    return calls.map((_, i) => code.subarray(starts[i], starts[i + 1]).toString('hex'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A call in gas's Intel syntax, with what asks for the encoding that we chose. */
function intel(call: string): string {
  const [name, ...words] = call.split(' ');
  const distance = Number(/@(-?\d+)/.exec(call)?.[1] ?? Number.NaN);
  const label = distance < 0 ? '1b' : '1f';
  const mask = words.at(-1)?.startsWith('{') ? words.pop()! : '';
  const element = /W0\/1|\.W1/.test(rowOf(name)) ? 'qword' : 'dword';
  const operands = words.map((word) =>
    word
      .replace(/\[@-?\d+(.*)\]/, `[rip+${label}$1]`)
      .replace(/@-?\d+/, label)
      .replace(/(\[.*\])\{b\}/, `${element} bcst $1`)
      .replace(/n$/, ''),
  );
  const evex =
    mask !== '' ||
    /\{b\}|zmm|mm(1[6-9]|[23]\d)/.test(call) ||
    / evex/.test(rowOf(name)) ||
    /^vpbroadcast.*r\w+$/.test(call);
  const text = ((): string => {
    const [first, ...rest] = operands;
    const low = (register: string) =>
      ['eax ecx edx ebx esp ebp esi edi'.split(' ')[generalNames.indexOf(register)]]
        .concat(`${register}d`)
        .find(Boolean);
    switch (name) {
      case 'jcc':
        return `{disp32} j${first} ${rest[0]}`;
      case 'jmp':
        return `{disp32} jmp ${first}`;
      case 'nop':
        return `.nops ${first}`;
      case 'load64':
      case 'store64':
        return `mov ${operands}`;
      case 'load32':
        return `mov ${low(first)}, ${rest}`;
      case 'store32':
        return `mov ${first}, ${low(rest[0])}`;
      case 'loadS32':
        return `movsxd ${first}, dword ptr ${rest}`;
      case 'movImm': {
        const value = BigInt(rest[0]);
        if (value >= 0n && value < 1n << 32n) return `mov ${low(first)}, ${value}`;
        return `${value < 0n && value >= -(1n << 31n) ? 'mov' : 'movabs'} ${first}, ${value}`;
      }
      case 'leaLabel':
        return `lea ${first}, [rip+${rest}]`;
      case 'addMem':
      case 'cmpMem':
      case 'imulImm':
        return `${name.replace(/Mem|Imm/, '')} ${operands}`;
      case 'vmovdqu32':
        return `${evex ? name : 'vmovdqu'} ${first}${mask}, ${rest}`;
      case 'vpand':
      case 'vpandn':
      case 'vpor':
      case 'vpxor':
        return `${evex ? `${name}d` : name} ${first}${mask}, ${rest}`;
      case 'kmovw':
      case 'kmovd':
        return `${name} ${operands.map((word) => (word.startsWith('k') ? word : low(word)))}`;
      case 'vpbroadcastb':
      case 'vpbroadcastw':
      case 'vpbroadcastd':
      case 'vmovd':
        return `${name} ${first}${mask}, ${rest}`.replace(/\b(r\w+)(?=$|,)/g, (word) =>
          generalNames.includes(word) ? low(word)! : word,
        );
      default:
        return operands.length ? `${name} ${[`${first}${mask}`, ...rest]}` : name;
    }
  })();
  // gas would exchange operands for a shorter prefix, and prefers EVEX where AVX-VNNI came later.
  const rm =
    name in tables.narrowing || name in tables.narrowingImmediate
      ? words[0]
      : words.filter((word) => /mm/.test(word)).at(-1);
  const three =
    !evex && !call.includes('[') && /mm(8|9|1\d)$/.test(rm ?? '') && /^v/.test(name) && !/^vmov[dq]$/.test(name);
  const prefix = three ? '{vex3} ' : !evex && /^vpdp/.test(name) ? '{vex} ' : '';
  const space = Number.isNaN(distance)
    ? ['', '']
    : distance < 0
      ? [`1: .skip ${-distance}\n`, '']
      : ['', `\n.skip ${distance}\n1:`];
  return `${space[0]}${prefix}${text}${space[1]}`;
}

function rowOf(name: string): string {
  for (const table of Object.values(tables)) {
    if (typeof table === 'object' && name in table) return String((table as Record<string, unknown>)[name]);
  }
  return name === 'vcmpps' ? ' evex' : '';
}
