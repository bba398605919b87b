/**
 * Machine code for products of quantised panels (ops/layout.ts) with 8-bit activations: one kernel a weight type.
 *
 * Lanes are rows. A tile is a panel of 16 rows × up to 12 tokens: for each four columns one vector of weights, unpacked to
 * unsigned bytes once for all tokens, meets each token's four bytes, spread over the lanes by the load. Integers are
 * summed over a block (they start at −offset · Σx, which undoes the weights' offset), then scaled and added to the
 * tile's float sums, which stay in registers over all columns. A sum is added up in the order of the columns whatever
 * the tile, so a token's result does not depend on the tokens beside it.
 *
 * Limits, AVX-512 VNNI, for 16 rows × 32 columns × 1 token: 8 dot products, 2 multiplications, 1 conversion and 10
 * loads: 5 cycles of the two multipliers and 5 of the load ports where both are doubled, 102 products a cycle.
 */
import {
  Q4_0_BLOCK,
  Q8_0_BLOCK,
  X_OFFSET,
  X_SCALE,
  X_SUM_32A,
  X_SUM_32B,
  X_SUM_128,
  X8_BLOCK,
} from '../ops/layout-constants.js';
import {
  type Assembler,
  broadcast,
  type Gp,
  type Mem,
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
  rsi,
  rsp,
  type Vec,
  xmm,
  ymm,
  zmm,
} from './assembler.js';
import { enter, leave, loadArg, loadPointer } from './frame.js';
import { ISAS, type Isa } from './isa.js';
import { PAIR_TOKENS, PanelArgs } from './kernels.js';

export type PanelType = 'q8_0' | 'q4_0' | 'q4_k' | 'q6_k';

/** Where the sums and scales of an activation block begin. */
const TAIL = 32;
/** Bytes of a block of 32 columns within a super-block. */
const Q4_K_SUB_BLOCK = 288;
const Q6_K_SUB_BLOCK = 384;
/** How far ahead of its use a single token's kernel asks for weights. */
const PREFETCH = 2048;

/** Emits the kernel of a weight type: `void (memory, args)` with PanelArgs. */
export function emitPanels(a: Assembler, isa: Isa, type: PanelType): void {
  // AVX-512 has no vpsignb, which q8_0 needs where there is no vpdpbusd.
  const narrow = type === 'q8_0' && isa.bits === 512 && !isa.vnni;
  new PanelKernel(a, narrow ? ISAS.avx2 : isa, type).emit();
}

// What registers hold.
const weights = r8;
const xStride = rax;
const tokensLeft = rbx;
const yTile = rcx;
const yStride = rdx;
const blocksLeft = r14;
const subBlocksLeft = r15;
/** Cursors of a panel: its block of weights, its super-block's head and that one's scales. */
interface PanelCursors {
  w: Gp;
  head: Gp;
  scales: Gp;
}
const FIRST: PanelCursors = { w: r12, head: r13, scales: r11 };
const SECOND: PanelCursors = { w: rbp, head: r10, scales: r9 };
/** Cursors of tokens 0, 3, 6 and 9. A pair of panels leaves room for two. */
const TOKENS: readonly Gp[] = [rsi, rdi, rbp, r10];

/** The stack: what a tile reads once. */
const LOCAL = {
  panelBytes: 0,
  panels: 8,
  blocks: 16,
  tokens: 24,
  accumulate: 32,
  xFirst: 40,
  yFirst: 48,
  xTile: 56,
  bytes: 64,
} as const;
const local = (at: number): Mem => mem(rsp, at);

/** The rows of one vector in a tile: a panel's 16, or half of them. */
interface Rows {
  panel: PanelCursors;
  half: 0 | 1;
  /** Bytes from the tile's first result to this one's. */
  y: number;
  /** Sums of each token. */
  int: Vec[];
  float: Vec[];
  low: Vec;
  high: Vec;
}

class PanelKernel {
  private readonly nibbles: boolean;
  /** Whether products of a block are summed in pairs of 16 bits: where there is no vpdpbusd and they fit. */
  private readonly pairSums: boolean;
  /** Sizes of tiles of one panel, in tokens. */
  private readonly sizes: readonly number[];
  /** Sizes of tiles of two panels, multiples of PAIR_TOKENS; none where registers do not suffice. */
  private readonly pairSizes: readonly number[];
  private readonly constants: { low: Vec; high: Vec; flip: Vec; ones: Vec };
  private free = 0;
  private rows: Rows[] = [];
  private tokens = 0;
  private isPair = false;
  private x!: Vec;
  private temp!: Vec;

  constructor(
    private readonly a: Assembler,
    private readonly isa: Isa,
    private readonly type: PanelType,
  ) {
    this.nibbles = type === 'q4_0' || type === 'q4_k';
    this.pairSums = this.nibbles && !isa.vnni;
    this.sizes = isa.bits === 512 ? [1, 2, 3, 4, 6, 8, 12] : [1, 2];
    this.pairSizes = isa.bits === 512 && isa.vnni ? [PAIR_TOKENS, 4, 6] : [];
    const none = this.vec(0);
    this.constants = { low: none, high: none, flip: none, ones: none };
  }

  emit(): void {
    const { a } = this;
    const pairs = a.label();
    const done = a.label();
    enter(a, LOCAL.bytes);
    this.readArguments();
    this.loadConstants();
    if (this.pairSizes.length > 0) {
      a.test(blocksLeft, blocksLeft);
      a.jcc('nz', pairs);
    }
    this.panels(1, this.sizes);
    a.bind(done);
    leave(a, LOCAL.bytes);
    if (this.pairSizes.length > 0) {
      a.bind(pairs);
      this.panels(2, this.pairSizes);
      a.jmp(done);
    }
  }

  /** Leaves the argument `pairs` in blocksLeft. */
  private readArguments(): void {
    const { a } = this;
    const w = FIRST.w;
    const keep = (index: PanelArgs, at: number, load = loadArg) => {
      load(a, w, index);
      a.store64(local(at), w);
    };
    loadPointer(a, weights, PanelArgs.weights);
    loadArg(a, xStride, PanelArgs.xStride);
    loadArg(a, yStride, PanelArgs.yStride);
    keep(PanelArgs.panelBytes, LOCAL.panelBytes);
    keep(PanelArgs.panels, LOCAL.panels);
    keep(PanelArgs.blocks, LOCAL.blocks);
    keep(PanelArgs.tokens, LOCAL.tokens);
    keep(PanelArgs.accumulate, LOCAL.accumulate);
    keep(PanelArgs.x, LOCAL.xFirst, loadPointer);
    keep(PanelArgs.y, LOCAL.yFirst, loadPointer);
    loadArg(a, blocksLeft, PanelArgs.pairs);
  }

  private loadConstants(): void {
    const { a, type, isa, constants } = this;
    const constant = (word: number): Vec => {
      const register = this.register();
      a.movImm(FIRST.w, word);
      a.vmovd(xmm(register.n), FIRST.w);
      a.vpbroadcastd(register, xmm(register.n));
      return register;
    };
    if (type !== 'q8_0') constants.low = constant(0x0f0f0f0f);
    if (type === 'q6_k') constants.high = constant(0x30303030);
    if (type === 'q8_0' && isa.vnni) constants.flip = constant(0x80808080);
    if (!isa.vnni) constants.ones = constant(0x00010001);
  }

  /** All panels, `count` at a time, with all tokens: the largest tile while tokens last, then what is left in smaller ones. */
  private panels(count: number, sizes: readonly number[]): void {
    const { a } = this;
    const w = FIRST.w;
    const nextPanel = a.label();
    const nextTile = a.label();
    const tiles = sizes.map(() => a.label());
    a.bind(nextPanel);
    a.load64(tokensLeft, local(LOCAL.tokens));
    a.load64(yTile, local(LOCAL.yFirst));
    a.load64(w, local(LOCAL.xFirst));
    a.store64(local(LOCAL.xTile), w);
    a.bind(nextTile);
    for (let i = sizes.length - 1; i >= 0; i--) {
      a.cmp(tokensLeft, sizes[i]);
      a.jcc('ae', tiles[i]);
    }
    for (let i = 0; i < count; i++) a.addMem(weights, local(LOCAL.panelBytes));
    a.load64(w, local(LOCAL.yFirst));
    a.add(w, 64 * count);
    a.store64(local(LOCAL.yFirst), w);
    a.load64(w, local(LOCAL.panels));
    a.sub(w, count);
    a.store64(local(LOCAL.panels), w);
    a.jcc('nz', nextPanel);
    const done = a.label();
    a.jmp(done);

    for (const [i, tokens] of sizes.entries()) {
      a.align(32);
      a.bind(tiles[i]);
      this.tile(count, tokens);
      a.imulImm(w, xStride, tokens);
      a.addMem(w, local(LOCAL.xTile));
      a.store64(local(LOCAL.xTile), w);
      a.imulImm(w, yStride, tokens);
      a.add(yTile, w);
      a.sub(tokensLeft, tokens);
      a.jmp(nextTile);
    }
    a.bind(done);
  }

  /** y[tokens of the tile, rows of its panels] += their sums over all columns. */
  private tile(count: number, tokens: number): void {
    const { a, type, isa } = this;
    const constants = this.free;
    this.tokens = tokens;
    this.isPair = count === 2;
    this.rows = [];
    const cursors = count === 2 ? [FIRST, SECOND] : [FIRST];
    for (const [p, panel] of cursors.entries()) {
      for (const half of isa.bits === 512 ? ([0] as const) : ([0, 1] as const)) {
        const registers = () => Array.from({ length: tokens }, () => this.register());
        const sums = { int: registers(), float: registers() };
        this.rows.push({ panel, half, y: 64 * p + 32 * half, ...sums, low: this.register(), high: this.register() });
      }
    }
    this.x = this.register();
    this.temp = this.register();
    this.free = constants;

    for (const { float } of this.rows) for (const sum of float) a.vpxor(sum, sum, sum);
    a.mov(FIRST.w, weights);
    if (count === 2) {
      a.mov(SECOND.w, weights);
      a.addMem(SECOND.w, local(LOCAL.panelBytes));
    }
    a.load64(blocksLeft, local(LOCAL.blocks));
    for (let t = 0; t < tokens; t += 3) {
      if (t === 0) a.load64(TOKENS[0], local(LOCAL.xTile));
      else a.lea(TOKENS[t / 3], mem(TOKENS[t / 3 - 1], 0, xStride, 1));
      if (t > 0) a.lea(TOKENS[t / 3], mem(TOKENS[t / 3], 0, xStride, 2));
    }
    const next = a.label();
    a.bind(next);
    if (type === 'q8_0') this.blockQ8();
    else if (type === 'q4_0') this.blockQ4();
    else if (type === 'q4_k') this.superBlockQ4K();
    else this.superBlockQ6K();
    a.dec(blocksLeft);
    a.jcc('nz', next);

    this.finishTile();
  }

  private finishTile(): void {
    const { a } = this;
    const to = FIRST.w;
    const eachSum = (use: (sum: Vec, y: Mem) => void) => {
      a.mov(to, yTile);
      for (let t = 0; t < this.tokens; t++) {
        for (const { float, y } of this.rows) use(float[t], mem(to, y));
        if (t < this.tokens - 1) a.add(to, yStride);
      }
    };
    const store = a.label();
    a.load64(to, local(LOCAL.accumulate));
    a.test(to, to);
    a.jcc('z', store);
    eachSum((sum, y) => a.vaddps(sum, sum, y));
    a.bind(store);
    eachSum((sum, y) => a.vmovups(y, sum));
  }

  private blockQ8(): void {
    const { a, isa, constants } = this;
    this.prefetch(Q8_0_BLOCK);
    this.start(X_SUM_128, 0);
    for (let j = 0; j < 8; j++) {
      for (const { panel, half, low } of this.rows) {
        const at = mem(panel.w, 32 + 64 * j + 32 * half);
        if (isa.vnni) a.vpxor(low, constants.flip, at);
        else a.vmovups(low, at);
      }
      this.dot('low', 4 * j);
    }
    for (const { panel, half, low } of this.rows) a.vcvtph2ps(low, mem(panel.w, 16 * half));
    this.scale();
    this.advance(Q8_0_BLOCK);
  }

  private blockQ4(): void {
    const { a } = this;
    this.prefetch(Q4_0_BLOCK);
    this.start(X_SUM_128, 4);
    this.nibbleDots();
    this.finishPairSums(X_SUM_128, 4);
    for (const { panel, half, low } of this.rows) a.vcvtph2ps(low, mem(panel.w, 16 * half));
    this.scale();
    this.advance(Q4_0_BLOCK);
  }

  private superBlockQ4K(): void {
    const { a } = this;
    this.eachPanel(({ w, head }) => {
      a.mov(head, w);
      a.add(w, 64);
    });
    this.eightTimes(() => {
      this.prefetch(Q4_K_SUB_BLOCK);
      this.start();
      this.nibbleDots();
      this.finishPairSums();
      const factors = (byte: number, half: number) => {
        for (const rows of this.rows) {
          const { w, head } = rows.panel;
          a.vpmovzxbd(rows.low, mem(w, byte + 8 * rows.half));
          a.vcvtdq2ps(rows.low, rows.low);
          a.vcvtph2ps(rows.high, mem(head, half + 16 * rows.half));
          a.vmulps(rows.low, rows.low, rows.high);
        }
      };
      // The minima, then the scales: the order of the WebAssembly kernels.
      factors(16, 32);
      for (let t = 0; t < this.tokens; t++) {
        a.vbroadcastss(this.x, this.activation(t, TAIL + X_OFFSET));
        for (const { float, low } of this.rows) a.vfmadd231ps(float[t], low, this.x);
      }
      factors(0, 0);
      this.scale();
      this.advance(Q4_K_SUB_BLOCK);
    });
  }

  private superBlockQ6K(): void {
    const { a, constants } = this;
    this.eachPanel(({ w, head, scales }) => {
      a.mov(head, w);
      a.lea(scales, mem(w, 32));
      a.add(w, 288);
    });
    this.eightTimes(() => {
      this.prefetch(Q6_K_SUB_BLOCK);
      // Columns 0 to 15 are the low nibbles, 16 to 31 the high ones; each half has scales of its own.
      for (const upper of [0, 1]) {
        this.start(upper ? X_SUM_32B : X_SUM_32A, 0);
        for (let j = 0; j < 4; j++) {
          for (const { panel, half, low, high } of this.rows) {
            a.vmovups(low, mem(panel.w, 64 * j + 32 * half));
            if (upper) a.vpsrlw(low, low, 4);
            a.vpand(low, low, constants.low);
            a.vmovups(high, mem(panel.w, 256 + 64 * (j >> 1) + 32 * half));
            const at = 4 * (j & 1) + 2 * upper;
            if (at < 4) a.vpsllw(high, high, 4 - at);
            else if (at > 4) a.vpsrlw(high, high, at - 4);
            a.vpand(high, high, constants.high);
            a.vpor(low, low, high);
          }
          this.dot('low', 4 * j + 16 * upper);
        }
        for (const { panel, half, low, high } of this.rows) {
          a.vpmovsxbd(low, mem(panel.scales, 16 * upper + 8 * half));
          a.vcvtdq2ps(low, low);
          a.vcvtph2ps(high, mem(panel.head, 16 * half));
          a.vmulps(low, low, high);
        }
        this.scale();
      }
      this.eachPanel(({ scales }) => a.add(scales, 32));
      this.advance(Q6_K_SUB_BLOCK);
    });
  }

  private eightTimes(body: () => void): void {
    const { a } = this;
    const next = a.label();
    a.movImm(subBlocksLeft, 8);
    a.bind(next);
    body();
    a.dec(subBlocksLeft);
    a.jcc('nz', next);
  }

  private eachPanel(use: (panel: PanelCursors) => void): void {
    for (const panel of new Set(this.rows.map((rows) => rows.panel))) use(panel);
  }

  /** Up to a tile of tokens waits for memory, for all that arithmetic there is: asks for a block's worth of weights further on. */
  private prefetch(bytes: number): void {
    if (this.isPair) return;
    for (let at = 0; at < bytes; at += 64) this.a.prefetcht0(mem(FIRST.w, PREFETCH + at));
  }

  /** Integer sums begin at a sum of the activation block, shifted right; without one at 0. */
  private start(sum?: number, shift = 0): void {
    const { a } = this;
    const [first, ...others] = this.rows;
    for (let t = 0; t < this.tokens; t++) {
      if (this.pairSums || sum === undefined) {
        for (const { int } of this.rows) a.vpxor(int[t], int[t], int[t]);
        continue;
      }
      this.loadStart(first.int[t], t, sum, shift);
      for (const { int } of others) a.vmovups(int[t], first.int[t]);
    }
  }

  private loadStart(to: Vec, t: number, sum: number, shift: number): void {
    const { a } = this;
    if (this.type === 'q8_0' && !this.isa.vnni) {
      // Without vpdpbusd it multiplies magnitudes: nothing to undo.
      a.vpxor(to, to, to);
      return;
    }
    a.vpbroadcastd(to, this.activation(t, TAIL + sum));
    if (shift) a.vpsrad(to, to, shift);
  }

  private finishPairSums(sum?: number, shift = 0): void {
    if (!this.pairSums) return;
    const { a, temp, constants } = this;
    for (const { int } of this.rows) {
      for (let t = 0; t < this.tokens; t++) {
        a.vpmaddwd(int[t], int[t], constants.ones);
        if (sum === undefined) continue;
        this.loadStart(temp, t, sum, shift);
        a.vpaddd(int[t], int[t], temp);
      }
    }
  }

  /** The 32 columns of a block of nibbles that follows 32 bytes of scales. */
  private nibbleDots(): void {
    const { a, constants } = this;
    for (let j = 0; j < 4; j++) {
      for (const { panel, half, low, high } of this.rows) {
        a.vmovups(high, mem(panel.w, 32 + 64 * j + 32 * half));
        a.vpand(low, high, constants.low);
        a.vpsrlw(high, high, 4);
        a.vpand(high, high, constants.low);
      }
      this.dot('low', 4 * j);
      this.dot('high', 16 + 4 * j);
    }
  }

  /** Integer sums += weights × the four columns of each token that begin at byte `at`. */
  private dot(weight: 'low' | 'high', at: number): void {
    const { a, isa, type, x, rows } = this;
    if (type === 'q8_0' && !isa.vnni) for (const { low, high } of rows) a.vpabsb(high, low);
    for (let t = 0; t < this.tokens; t++) {
      const four = this.activation(t, at);
      if (isa.bits === 512 && isa.vnni && rows.length === 1) {
        a.vpdpbusd(rows[0].int[t], rows[0][weight], broadcast(four));
        continue;
      }
      a.vpbroadcastd(x, four);
      for (const row of rows) {
        if (isa.vnni) a.vpdpbusd(row.int[t], row[weight], x);
        else this.multiplyAdd(row.int[t], row, row[weight]);
      }
    }
  }

  /** What vpdpbusd does, without it. */
  private multiplyAdd(sum: Vec, { low, high }: Rows, weight: Vec): void {
    const { a, x, temp, constants } = this;
    if (this.type === 'q8_0') {
      // The activations take the weights' signs, and the weights' magnitudes are unsigned: −128 has no opposite.
      a.vpsignb(temp, x, low);
      a.vpmaddubsw(temp, high, temp);
    } else {
      a.vpmaddubsw(temp, weight, x);
    }
    if (this.pairSums) {
      a.vpaddw(sum, sum, temp);
    } else {
      a.vpmaddwd(temp, temp, constants.ones);
      a.vpaddd(sum, sum, temp);
    }
  }

  /** Float sums += integer sums × the factors of the rows, in `low`, × the activations' scale. */
  private scale(): void {
    const { a, x, temp, rows } = this;
    for (let t = 0; t < this.tokens; t++) {
      const scale = this.activation(t, TAIL + X_SCALE);
      const single = this.isa.bits === 512 && rows.length === 1;
      if (!single) a.vbroadcastss(x, scale);
      for (const { int, float, low } of rows) {
        a.vmulps(temp, low, single ? broadcast(scale) : x);
        a.vcvtdq2ps(int[t], int[t]);
        a.vfmadd231ps(float[t], int[t], temp);
      }
    }
  }

  /** Byte `at` of token t's block. */
  private activation(t: number, at: number): Mem {
    const cursor = TOKENS[Math.floor(t / 3)];
    return t % 3 === 0 ? mem(cursor, at) : mem(cursor, at, xStride, (t % 3) as 1 | 2);
  }

  /** On to the next block of activations, `bytes` further in the weights. */
  private advance(bytes: number): void {
    this.eachPanel(({ w }) => this.a.add(w, bytes));
    for (let t = 0; t < this.tokens; t += 3) this.a.add(TOKENS[t / 3], X8_BLOCK);
  }

  private register(): Vec {
    return this.vec(this.free++);
  }

  private vec(n: number): Vec {
    return this.isa.bits === 512 ? zmm(n) : ymm(n);
  }
}
