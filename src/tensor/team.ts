/**
 * A team: the calling thread (member 0) and N - 1 workers that run programs of operations over shared arenas.
 * Members may come late or sleep; work goes to whoever is there (kernels/team.ts). The calling thread blocks
 * while a program runs, so it must be a worker of its own, never the thread that serves HTTP or a terminal.
 */
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import { KaiwenError } from '../errors.js';
import { Arena, memberScratch } from './arena.js';
import { startWorker } from './host.js';
import { chooseSimd, compileKernels, instantiate, type Kernels, type Simd } from './kernels.js';
import type { Refusal } from './native/mapping.js';
import { acquireNative, bindNative, type NativeChoice, type NativeCode, releaseNative } from './native/native.js';

/**
 * Words of the home arena's control block that JavaScript uses: the arena that is active, the last program that failed,
 * how many members run one, how many have joined. kernels/team.ts has the rest.
 */
export const CONTROL = { address: 384, words: 4, active: 0, failed: 1, running: 2, joined: 3 } as const;
/** Value of `active` that sends the members home. */
export const DISMISSED = -1;

export interface MemberData {
  module: WebAssembly.Module;
  memories: WebAssembly.Memory[];
  /** Its number, from 1. */
  member: number;
  native?: NativeCode;
  /** Never used: it closes when the member's thread ends, for whatever reason. */
  lifeline: MessagePort;
}

export class Team implements Disposable {
  readonly arenas: readonly Arena[];
  readonly simd: Simd;
  readonly threads: number;
  /** The machine code that the members call, or why WebAssembly computes everything. */
  readonly native: NativeCode | Refusal;
  /**
   * One port a member, which closes when its thread ends. The calling thread may be waiting for that member inside a
   * program and cannot see it: another thread must listen.
   */
  readonly lifelines: MessagePort[] = [];
  private readonly kernels: Kernels[];
  private readonly control: Int32Array;
  private readonly workers: Worker[] = [];
  /** Number of the program that runs, as the members count them. */
  private job = 0;
  private lost = false;

  /** Allocates one arena for each entry of `sizes` (bytes) and starts the other members. */
  constructor(sizes: readonly number[], options: { threads: number; simd?: Simd; native?: NativeChoice }) {
    this.threads = options.threads;
    this.simd = chooseSimd(options.simd);
    const module = compileKernels(this.simd);
    this.arenas = sizes.map((bytes, index) => new Arena(index, bytes, this.threads));
    const memories = this.arenas.map((arena) => arena.memory);
    this.native = acquireNative(options.native);
    const native = 'refused' in this.native ? undefined : this.native;
    this.kernels = memories.map((memory) => instantiate(module, memory, native && bindNative(native, memory)));
    this.control = new Int32Array(memories[0].buffer, CONTROL.address, CONTROL.words);
    for (let member = 1; member < this.threads; member++) {
      const { port1: lifeline, port2: end } = new MessageChannel();
      end.unref();
      this.lifelines.push(end);
      const data: MemberData = { module, memories, member, native, lifeline };
      const worker = startWorker('tensor/member.js', data, { transferList: [lifeline] });
      worker.on('error', () => {
        this.lost = true;
      });
      this.workers.push(worker);
    }
  }

  get isNative(): boolean {
    return !('refused' in this.native);
  }

  /** Runs the arena's program to its end and clears it. Throws KaiwenError 'internal' if a member fails. */
  run(arena: Arena): void {
    const { program } = arena;
    if (program.count === 0) return;
    const kernels = this.kernels[arena.index];
    kernels.begin(program.pointer, program.count, this.threads);
    Atomics.store(this.control, CONTROL.active, arena.index);
    this.job++;
    this.kernels[0].startJob();
    try {
      kernels.run(0, memberScratch(0));
    } catch (cause) {
      kernels.abandon();
      this.awaitStragglers();
      throw new KaiwenError('internal', 'A kernel failed.', { cause });
    } finally {
      program.clear();
    }
    if (this.lost || Atomics.load(this.control, CONTROL.failed) === this.job) {
      this.awaitStragglers();
      throw new KaiwenError('internal', 'A member of the team failed.');
    }
  }

  /** A member still inside an abandoned program would count its piece as one of the next. */
  private awaitStragglers(): void {
    for (let n = 1; n > 0 && !this.lost; ) {
      n = Atomics.load(this.control, CONTROL.running);
      if (n > 0) Atomics.wait(this.control, CONTROL.running, n, 5);
    }
  }

  /** A member that is still loading must not be stopped (host.ts, loadingAddon), as it would be if this thread ended. */
  private awaitJoined(): void {
    const until = performance.now() + 2000;
    while (!this.lost && performance.now() < until) {
      const joined = Atomics.load(this.control, CONTROL.joined);
      if (joined === this.workers.length) return;
      Atomics.wait(this.control, CONTROL.joined, joined, 20);
    }
  }

  /** Sends the members home; the arenas may no longer be used. */
  [Symbol.dispose](): void {
    Atomics.store(this.control, CONTROL.active, DISMISSED);
    this.kernels[0].startJob();
    this.awaitJoined();
    for (const worker of this.workers) worker.unref();
    // No program runs, so no member is inside a kernel; those that wake up now only leave.
    if (!('refused' in this.native)) releaseNative(this.native);
  }
}
