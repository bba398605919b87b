/**
 * Writes the machine code that Kaiwen would map for an instruction set, byte for byte, to look at:
 *
 *   npx tsx scripts/native-code.ts avx512-vnni native.bin
 *   objdump -D -b binary -m i386:x86-64 -M intel native.bin
 *
 * Any machine will do: what is generated does not depend on the one that generates it.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { generate } from '../src/tensor/native/code.js';
import { ISA_NAMES } from '../src/tensor/native/isa.js';

const [name, file] = process.argv.slice(2);
const isa = ISA_NAMES.find((known) => known === name);
if (!isa || !file) {
  console.error(`Usage: npx tsx scripts/native-code.ts ${ISA_NAMES.join('|')} FILE`);
  process.exit(1);
}
const { bytes, entries } = generate(isa);
writeFileSync(file, bytes);
console.log(`${bytes.length} bytes, SHA-256 ${createHash('sha256').update(bytes).digest('hex')}`);
console.log(`kernels begin at ${entries.map((entry) => `0x${entry.toString(16)}`).join(', ')}`);
