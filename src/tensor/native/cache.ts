/** Machine code that appends to a cache of f16 (kernels/kv.ts has its layout). */
import {
  type Assembler,
  mem,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  xmm,
  ymm,
  zmm,
} from './assembler.js';
import { enter, leave, loadArg, loadPointer } from './frame.js';
import type { Isa } from './isa.js';
import { KeyArgs, ValueArgs } from './kernels.js';
import { advanceCursors, inRow, pointCursors } from './rows.js';
import { transposeSquare } from './transpose.js';

const PANEL = 16;
const PANEL_BYTES = 2 * PANEL;

/** The keys of 16 positions, which are a panel, of all heads: transposed to [depth][16] (arguments: KeyArgs). */
export function storeKeys(a: Assembler, isa: Isa): void {
  const square = isa.bits / 32;
  const cursors = [rax, rbx, rcx, rdx, r14, r15];
  const [k, stride, heads, dim, keys, out, left, part] = [r8, r9, r10, r11, r12, r13, rbp, rdi];
  const half = (n: number) => (isa.bits === 512 ? ymm : xmm)(n);
  const head = a.label();
  enter(a);
  loadPointer(a, k, KeyArgs.k);
  loadPointer(a, keys, KeyArgs.keys);
  loadArg(a, stride, KeyArgs.stride);
  loadArg(a, heads, KeyArgs.heads);
  loadArg(a, dim, KeyArgs.headDim);
  a.bind(head);
  a.mov(part, k);
  for (let row = 0; row < PANEL; row += square) {
    const loop = a.label();
    pointCursors(a, cursors, part, stride, square);
    a.lea(out, mem(keys, 2 * row));
    a.mov(left, dim);
    a.bind(loop);
    for (let i = 0; i < square; i++) a.prefetcht0(inRow(cursors, stride, i, 256));
    transposeSquare(a, isa, 'f32', cursors, stride, (column, value) => {
      a.vcvtps2ph(half(value.n), value, 0);
      a.vmovups(mem(out, PANEL_BYTES * column), half(value.n));
    });
    advanceCursors(a, cursors, square, 4 * square);
    a.add(out, PANEL_BYTES * square);
    a.sub(left, square);
    a.jcc('nz', loop);
    a.imulImm(rax, stride, square);
    a.add(part, rax);
  }
  a.lea(k, mem(k, 0, dim, 4));
  loadArg(a, rax, KeyArgs.headBytes);
  a.add(keys, rax);
  a.dec(heads);
  a.jcc('nz', head);
  leave(a);
}

/** The values of neighbouring positions, of all heads: to [depth / 16][position][16] (arguments: ValueArgs). */
export function storeValues(a: Assembler, isa: Isa): void {
  const [v, stride, rows, heads, dim, values, headBytes, panelBytes] = [r8, r9, r10, r11, r12, r13, r14, r15];
  const [from, to, panels, left, toHead] = [rax, rbx, rcx, rdx, rbp];
  const [head, panel, loop] = [a.label(), a.label(), a.label()];
  enter(a);
  loadPointer(a, v, ValueArgs.v);
  loadPointer(a, values, ValueArgs.values);
  loadArg(a, stride, ValueArgs.stride);
  loadArg(a, rows, ValueArgs.rows);
  loadArg(a, heads, ValueArgs.heads);
  loadArg(a, dim, ValueArgs.headDim);
  loadArg(a, headBytes, ValueArgs.headBytes);
  loadArg(a, panelBytes, ValueArgs.panelBytes);
  a.bind(head);
  a.mov(toHead, values);
  a.mov(panels, dim);
  a.bind(panel);
  a.mov(from, v);
  a.mov(to, toHead);
  a.mov(left, rows);
  a.bind(loop);
  a.prefetcht0(mem(from, 256));
  for (let i = 0; i < 512 / isa.bits; i++) {
    const [value, half] = isa.bits === 512 ? [zmm(i), ymm(i)] : [ymm(i), xmm(i)];
    a.vmovups(value, mem(from, (isa.bits / 8) * i));
    a.vcvtps2ph(half, value, 0);
    a.vmovups(mem(to, (isa.bits / 16) * i), half);
  }
  a.add(from, stride);
  a.add(to, PANEL_BYTES);
  a.dec(left);
  a.jcc('nz', loop);
  a.add(v, 4 * PANEL);
  a.add(toHead, panelBytes);
  a.sub(panels, PANEL);
  a.jcc('nz', panel);
  a.add(values, headBytes);
  a.dec(heads);
  a.jcc('nz', head);
  leave(a);
}
