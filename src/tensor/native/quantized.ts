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
import { ISAS, type Isa } from './isa.js';
import { PanelArgs } from './kernels.js';

export type PanelType = 'q8_0' | 'q4_0' | 'q4_k' | 'q6_k';

/** Where the sums and scales of an activation block begin. */
const TAIL = 32;
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
const panelsLeft = r9;
const xStride = rax;
const tokensLeft = rbx;
const yTile = rcx;
const yStride = rdx;
/** Cursors of a tile: weights, a super-block's head and scales, what is left to do, and tokens 0, 3, 6 and 9. */
const w = r12;
const head = r13;
const scales = r11;
const blocksLeft = r14;
const subBlocksLeft = r15;
const TOKENS: readonly Gp[] = [rsi, rdi, rbp, r10];

/** The stack: what a tile reads once. */
const LOCAL = { panelBytes: 0, blocks: 8, tokens: 16, xFirst: 24, yFirst: 32, xTile: 40, bytes: 48 } as const;
const local = (at: number): Mem => mem(rsp, at);

class PanelKernel {
  private readonly nibbles: boolean;
  /** Whether products of a block are summed in pairs of 16 bits: where there is no vpdpbusd and they fit. */
  private readonly pairs: boolean;
  /** Vectors of a panel's 16 rows. */
  private readonly halves: readonly number[];
  /** Tokens of the largest tile. */
  private readonly most: number;
  private constants!: { low: Vec; high: Vec; flip: Vec; ones: Vec };
  private free = 0;
  private temp: Vec[] = [];
  private int: Vec[][] = [];
  private float: Vec[][] = [];

  constructor(
    private readonly a: Assembler,
    private readonly isa: Isa,
    private readonly type: PanelType,
  ) {
    this.nibbles = type === 'q4_0' || type === 'q4_k';
    this.pairs = this.nibbles && !isa.vnni;
    this.halves = isa.bits === 512 ? [0] : [0, 1];
    this.most = isa.bits === 512 ? 12 : 2;
  }

  emit(): void {
    const { a, most } = this;
    const saved = [rbx, rbp, r12, r13, r14, r15];
    for (const register of saved) a.push(register);
    a.sub(rsp, LOCAL.bytes);
    this.readArguments();
    this.loadConstants();

    const nextPanel = a.label();
    const nextTile = a.label();
    const tiles = Array.from({ length: most + 1 }, () => a.label());
    a.bind(nextPanel);
    a.load64(tokensLeft, local(LOCAL.tokens));
    a.load64(yTile, local(LOCAL.yFirst));
    a.load64(w, local(LOCAL.xFirst));
    a.store64(local(LOCAL.xTile), w);
    a.bind(nextTile);
    // The largest tile while tokens last, then one of what remains.
    a.cmp(tokensLeft, most);
    a.jcc('ae', tiles[most]);
    for (let tokens = most - 1; tokens > 0; tokens--) {
      a.cmp(tokensLeft, tokens);
      a.jcc('e', tiles[tokens]);
    }
    a.addMem(weights, local(LOCAL.panelBytes));
    a.load64(w, local(LOCAL.yFirst));
    a.add(w, 64);
    a.store64(local(LOCAL.yFirst), w);
    a.dec(panelsLeft);
    a.jcc('nz', nextPanel);
    a.add(rsp, LOCAL.bytes);
    for (const register of saved.reverse()) a.pop(register);
    a.vzeroupper();
    a.ret();

    for (let tokens = 1; tokens <= most; tokens++) {
      a.align(32);
      a.bind(tiles[tokens]);
      this.tile(tokens);
      a.imulImm(w, xStride, tokens);
      a.addMem(w, local(LOCAL.xTile));
      a.store64(local(LOCAL.xTile), w);
      a.imulImm(w, yStride, tokens);
      a.add(yTile, w);
      a.sub(tokensLeft, tokens);
      a.jmp(nextTile);
    }
  }

  private readArguments(): void {
    const { a } = this;
    const args = rsi;
    a.add(args, rdi);
    const number = (index: PanelArgs, to: Gp) => a.load32(to, mem(args, 4 * index));
    const pointer = (index: PanelArgs, to: Gp) => {
      number(index, to);
      a.add(to, rdi);
    };
    pointer(PanelArgs.weights, weights);
    number(PanelArgs.panels, panelsLeft);
    number(PanelArgs.xStride, xStride);
    number(PanelArgs.yStride, yStride);
    const keep = (at: number) => a.store64(local(at), w);
    number(PanelArgs.panelBytes, w);
    keep(LOCAL.panelBytes);
    number(PanelArgs.blocks, w);
    keep(LOCAL.blocks);
    number(PanelArgs.tokens, w);
    keep(LOCAL.tokens);
    pointer(PanelArgs.x, w);
    keep(LOCAL.xFirst);
    pointer(PanelArgs.y, w);
    keep(LOCAL.yFirst);
  }

  private loadConstants(): void {
    const { a, type, isa } = this;
    this.free = 0;
    const constant = (word: number): Vec => {
      const register = this.register();
      a.movImm(w, word);
      a.vmovd(xmm(register.n), w);
      a.vpbroadcastd(register, xmm(register.n));
      return register;
    };
    const none = this.vec(0);
    this.constants = { low: none, high: none, flip: none, ones: none };
    if (type !== 'q8_0') this.constants.low = constant(0x0f0f0f0f);
    if (type === 'q6_k') this.constants.high = constant(0x30303030);
    if (type === 'q8_0' && isa.vnni) this.constants.flip = constant(0x80808080);
    if (!isa.vnni) this.constants.ones = constant(0x00010001);
  }

  /** y[tokens of the tile, rows of the panel] += their sums over all columns. */
  private tile(tokens: number): void {
    const { a, type } = this;
    const constants = this.free;
    const rows = () => this.halves.map(() => Array.from({ length: tokens }, () => this.register()));
    this.int = rows();
    this.float = rows();
    this.temp = Array.from({ length: Math.min(4, this.isa.registers - this.free) }, () => this.register());
    this.free = constants;

    for (const row of this.float) for (const sum of row) a.vpxor(sum, sum, sum);
    a.mov(w, weights);
    a.load64(blocksLeft, local(LOCAL.blocks));
    for (let t = 0; t < tokens; t += 3) {
      if (t === 0) a.load64(TOKENS[0], local(LOCAL.xTile));
      else a.lea(TOKENS[t / 3], mem(TOKENS[t / 3 - 1], 0, xStride, 1));
      if (t > 0) a.lea(TOKENS[t / 3], mem(TOKENS[t / 3], 0, xStride, 2));
    }
    const next = a.label();
    a.bind(next);
    if (type === 'q8_0') this.blockQ8(tokens);
    else if (type === 'q4_0') this.blockQ4(tokens);
    else if (type === 'q4_k') this.superBlockQ4K(tokens);
    else this.superBlockQ6K(tokens);
    a.dec(blocksLeft);
    a.jcc('nz', next);

    a.mov(w, yTile);
    for (let t = 0; t < tokens; t++) {
      for (const h of this.halves) {
        const sum = this.float[h][t];
        const y = mem(w, (h * this.isa.bits) / 8);
        a.vaddps(sum, sum, y);
        a.vmovups(y, sum);
      }
      if (t < tokens - 1) a.add(w, yStride);
    }
  }

  private blockQ8(tokens: number): void {
    this.prefetch(tokens, Q8_0_BLOCK);
    this.start(tokens, X_SUM_128, 0);
    for (const h of this.halves) {
      for (let j = 0; j < 8; j++) {
        const at = mem(w, 32 + 64 * j + 32 * h);
        if (this.isa.vnni) this.a.vpxor(this.temp[0], this.constants.flip, at);
        else this.a.vmovups(this.temp[0], at);
        this.dot(h, this.temp[0], 4 * j, tokens);
      }
    }
    for (const h of this.halves) {
      this.a.vcvtph2ps(this.temp[0], mem(w, 16 * h));
      this.scale(h, tokens);
    }
    this.a.add(w, Q8_0_BLOCK);
    this.advance(tokens);
  }

  private blockQ4(tokens: number): void {
    this.prefetch(tokens, Q4_0_BLOCK);
    this.start(tokens, X_SUM_128, 4);
    this.nibbleDots(32, tokens);
    this.finishPairs(tokens, X_SUM_128, 4);
    for (const h of this.halves) {
      this.a.vcvtph2ps(this.temp[0], mem(w, 16 * h));
      this.scale(h, tokens);
    }
    this.a.add(w, Q4_0_BLOCK);
    this.advance(tokens);
  }

  private superBlockQ4K(tokens: number): void {
    const { a, temp } = this;
    a.mov(head, w);
    a.add(w, 64);
    this.eightTimes(() => {
      this.prefetch(tokens, 288);
      this.start(tokens);
      this.nibbleDots(32, tokens);
      this.finishPairs(tokens);
      for (const h of this.halves) {
        // The minima, then the scales: the order of the WebAssembly kernels.
        const [factor, other] = temp;
        a.vpmovzxbd(factor, mem(w, 16 + 8 * h));
        a.vcvtdq2ps(factor, factor);
        a.vcvtph2ps(other, mem(head, 32 + 16 * h));
        a.vmulps(factor, factor, other);
        for (let t = 0; t < tokens; t++) this.addProduct(this.float[h][t], factor, this.x(t, TAIL + X_OFFSET));
        a.vpmovzxbd(factor, mem(w, 8 * h));
        a.vcvtdq2ps(factor, factor);
        a.vcvtph2ps(other, mem(head, 16 * h));
        a.vmulps(factor, factor, other);
        this.scale(h, tokens);
      }
      a.add(w, 288);
      this.advance(tokens);
    });
  }

  private superBlockQ6K(tokens: number): void {
    const { a, temp, constants } = this;
    a.mov(head, w);
    a.lea(scales, mem(w, 32));
    a.add(w, 288);
    this.eightTimes(() => {
      this.prefetch(tokens, 384);
      // Columns 0 to 15 are the low nibbles, 16 to 31 the high ones; each half has scales of its own.
      for (const upper of [false, true]) {
        this.start(tokens, upper ? X_SUM_32B : X_SUM_32A, 0);
        for (const h of this.halves) {
          for (let j = 0; j < 4; j++) {
            const [q, high] = temp;
            a.vmovups(q, mem(w, 64 * j + 32 * h));
            if (upper) a.vpsrlw(q, q, 4);
            a.vpand(q, q, constants.low);
            a.vmovups(high, mem(w, 256 + 64 * (j >> 1) + 32 * h));
            const at = 4 * (j & 1) + 2 * Number(upper);
            if (at < 4) a.vpsllw(high, high, 4 - at);
            else if (at > 4) a.vpsrlw(high, high, at - 4);
            a.vpand(high, high, constants.high);
            a.vpor(q, q, high);
            this.dot(h, q, 4 * j + 16 * Number(upper), tokens);
          }
        }
        for (const h of this.halves) {
          const [factor, other] = temp;
          a.vpmovsxbd(factor, mem(scales, 16 * Number(upper) + 8 * h));
          a.vcvtdq2ps(factor, factor);
          a.vcvtph2ps(other, mem(head, 16 * h));
          a.vmulps(factor, factor, other);
          this.scale(h, tokens);
        }
      }
      a.add(scales, 32);
      a.add(w, 384);
      this.advance(tokens);
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

  /** Few tokens wait for memory: asks for a block's worth of weights further on. */
  private prefetch(tokens: number, bytes: number): void {
    if (tokens > 4) return;
    for (let at = 0; at < bytes; at += 64) this.a.prefetcht0(mem(w, PREFETCH + at));
  }

  /** Integer sums begin at a sum of the activation block, shifted right; without one at 0. */
  private start(tokens: number, sum?: number, shift = 0): void {
    const { a } = this;
    for (const row of this.int) {
      for (let t = 0; t < tokens; t++) {
        if (this.pairs || sum === undefined) a.vpxor(row[t], row[t], row[t]);
        else this.loadStart(row[t], t, sum, shift);
      }
    }
  }

  private loadStart(to: Vec, t: number, sum: number, shift: number): void {
    if (this.type === 'q8_0' && !this.isa.vnni) {
      // Without vpdpbusd it multiplies magnitudes: nothing to undo.
      this.a.vpxor(to, to, to);
      return;
    }
    this.a.vpbroadcastd(to, this.x(t, TAIL + sum));
    if (shift) this.a.vpsrad(to, to, shift);
  }

  private finishPairs(tokens: number, sum?: number, shift = 0): void {
    if (!this.pairs) return;
    const { a, temp, constants } = this;
    for (const row of this.int) {
      for (let t = 0; t < tokens; t++) {
        a.vpmaddwd(row[t], row[t], constants.ones);
        if (sum === undefined) continue;
        this.loadStart(temp[0], t, sum, shift);
        a.vpaddd(row[t], row[t], temp[0]);
      }
    }
  }

  /** The 32 columns of a block of nibbles that begins `from` bytes after w. */
  private nibbleDots(from: number, tokens: number): void {
    const { a, temp, constants } = this;
    for (const h of this.halves) {
      for (let j = 0; j < 4; j++) {
        const [low, high] = temp;
        a.vmovups(high, mem(w, from + 64 * j + 32 * h));
        a.vpand(low, high, constants.low);
        a.vpsrlw(high, high, 4);
        a.vpand(high, high, constants.low);
        this.dot(h, low, 4 * j, tokens);
        this.dot(h, high, 16 + 4 * j, tokens);
      }
    }
  }

  /** Integer sums of a half += weights × the four columns of each token that begin at byte `at`. */
  private dot(h: number, weight: Vec, at: number, tokens: number): void {
    const { a, isa, constants } = this;
    const [, , x, magnitude] = this.temp;
    if (this.type === 'q8_0' && !isa.vnni) a.vpabsb(magnitude, weight);
    for (let t = 0; t < tokens; t++) {
      const sum = this.int[h][t];
      if (isa.bits === 512 && isa.vnni) {
        a.vpdpbusd(sum, weight, broadcast(this.x(t, at)));
        continue;
      }
      a.vpbroadcastd(x, this.x(t, at));
      if (isa.vnni) {
        a.vpdpbusd(sum, weight, x);
        continue;
      }
      if (this.type === 'q8_0') {
        // The activations take the weights' signs: −128 has a magnitude, but no opposite.
        a.vpsignb(x, x, weight);
        a.vpmaddubsw(x, magnitude, x);
      } else {
        a.vpmaddubsw(x, weight, x);
      }
      if (this.pairs) {
        a.vpaddw(sum, sum, x);
      } else {
        a.vpmaddwd(x, x, constants.ones);
        a.vpaddd(sum, sum, x);
      }
    }
  }

  /** Float sums of a half += integer sums × temp[0], one factor a row, × the activations' scale. */
  private scale(h: number, tokens: number): void {
    const { a, temp } = this;
    for (let t = 0; t < tokens; t++) {
      const factor = temp[2];
      const scale = this.x(t, TAIL + X_SCALE);
      if (this.isa.bits === 512) {
        a.vmulps(factor, temp[0], broadcast(scale));
      } else {
        a.vbroadcastss(factor, scale);
        a.vmulps(factor, factor, temp[0]);
      }
      a.vcvtdq2ps(this.int[h][t], this.int[h][t]);
      a.vfmadd231ps(this.float[h][t], this.int[h][t], factor);
    }
  }

  /** sum += factor × a float of the activation block. */
  private addProduct(sum: Vec, factor: Vec, at: Mem): void {
    const { a, temp } = this;
    if (this.isa.bits === 512) {
      a.vfmadd231ps(sum, factor, broadcast(at));
    } else {
      a.vbroadcastss(temp[2], at);
      a.vfmadd231ps(sum, factor, temp[2]);
    }
  }

  /** Byte `at` of token t's block. */
  private x(t: number, at: number): Mem {
    const cursor = TOKENS[Math.floor(t / 3)];
    return t % 3 === 0 ? mem(cursor, at) : mem(cursor, at, xStride, (t % 3) as 1 | 2);
  }

  private advance(tokens: number): void {
    for (let t = 0; t < tokens; t += 3) this.a.add(TOKENS[t / 3], X8_BLOCK);
  }

  private register(): Vec {
    return this.vec(this.free++);
  }

  private vec(n: number): Vec {
    return this.isa.bits === 512 ? zmm(n) : ymm(n);
  }
}
