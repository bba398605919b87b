/**
 * The native kernels of this process: generated, mapped once, tested against WebAssembly before anything relies on them,
 * shared by all threads and unmapped when the last team that uses them goes. Everything works without: where they cannot be
 * had there is a reason, and WebAssembly computes.
 */
import { KaiwenError } from '../../errors.js';
import { loadingAddon, NATIVE_SLOTS, processMemory } from '../host.js';
import type { NativeCalls } from '../kernels.js';
import { generate } from './code.js';
import { detectFeatures, instructionSets } from './cpu.js';
import { ISA_NAMES, type IsaName } from './isa.js';
import { type Foreign, type Machine, openForeign, type Refusal } from './mapping.js';
import { selfTest } from './self-test.js';

/** Mapped kernels, as threads tell each other. */
export interface NativeCode {
  readonly isa: IsaName;
  readonly address: number;
  readonly size: number;
  /** Where each kernel begins, counted from `address`. */
  readonly entries: readonly number[];
}

/** What may be asked for: an instruction set, the best there is, or none. */
export type NativeChoice = IsaName | 'best' | 'off';

/**
 * The kernels for `wanted` (default: KAIWEN_NATIVE, else the best), to be given back with `releaseNative`; or why there are none.
 * Throws KaiwenError 'usage' for a KAIWEN_NATIVE that is no choice. `machine`: another than this one, in tests.
 */
export function acquireNative(wanted?: NativeChoice, machine?: Machine): NativeCode | Refusal {
  const choice = wanted ?? choiceFromEnvironment();
  if (choice === 'off') return { refused: 'native code is switched off' };
  const foreign = machine ? openForeign(machine) : open();
  if ('refused' in foreign) return foreign;
  const features = detectFeatures(foreign);
  if ('refused' in features) return features;
  const sets = instructionSets(features);
  const isa = choice === 'best' ? sets[0] : sets.find((name) => name === choice);
  if (!isa) return { refused: `this processor has no ${choice === 'best' ? 'AVX2' : choice}` };
  return sharedSlot(isa).locked((slot) => {
    const code = slot.users > 0 ? slot.code : mapTested(foreign, isa);
    if ('refused' in code) return code;
    slot.code = code;
    slot.users++;
    return code;
  });
}

/** Gives up one use of the kernels; they are unmapped with the last. No thread may be running them for this user. */
export function releaseNative(code: NativeCode): void {
  sharedSlot(code.isa).locked((slot) => {
    slot.users--;
    if (slot.users > 0) return;
    const foreign = open();
    if (!('refused' in foreign)) foreign.unmap(code.address, code.size);
  });
}

/** The kernels as functions of the calling thread, over one memory. Throws if this thread cannot call them. */
export function bindNative(code: NativeCode, memory: WebAssembly.Memory): NativeCalls {
  const foreign = open();
  if ('refused' in foreign) throw new KaiwenError('internal', `A thread cannot call native code: ${foreign.refused}.`);
  return bind(foreign, code, memory);
}

let opened: Foreign | Refusal | undefined;

/** This thread's way to machine code. */
function open(): Foreign | Refusal {
  opened ??= loadingAddon(() => openForeign());
  return opened;
}

function bind(foreign: Foreign, code: NativeCode, memory: WebAssembly.Memory): NativeCalls {
  const base = foreign.addressOf(memory);
  const kernels = code.entries.map((entry) => foreign.functionAt(code.address + entry));
  return {
    mask: 2 ** kernels.length - 1,
    call: (kernel, args) => kernels[kernel](base, args),
  };
}

function mapTested(foreign: Foreign, isa: IsaName): NativeCode | Refusal {
  const { bytes, entries } = generate(isa);
  const mapping = foreign.mapCode(bytes);
  if ('refused' in mapping) return mapping;
  const code: NativeCode = { isa, address: mapping.address, size: mapping.size, entries };
  const fault = selfTest((memory) => bind(foreign, code, memory));
  if (fault === undefined) return code;
  mapping[Symbol.dispose]();
  return { refused: `${isa} kernels differ from WebAssembly: ${fault}` };
}

function choiceFromEnvironment(): NativeChoice {
  const choice = globalThis.process?.env.KAIWEN_NATIVE || 'best';
  const choices: readonly string[] = ['best', 'off', ...ISA_NAMES];
  if (choices.includes(choice)) return choice as NativeChoice;
  throw new KaiwenError('usage', `KAIWEN_NATIVE is "${choice}".`, { remedy: `Use one of ${choices.join(', ')}.` });
}

/**
 * What the process knows of one instruction set's kernels, in memory that all its threads share: a lock, the number
 * of users, and the mapping.
 */
class Slot {
  private readonly ints: Int32Array;
  private readonly address: Float64Array;

  constructor(
    memory: SharedArrayBuffer,
    private readonly isa: IsaName,
  ) {
    const at = NATIVE_SLOTS + ISA_NAMES.indexOf(isa) * SLOT_BYTES;
    this.ints = new Int32Array(memory, at, SLOT_BYTES / 4);
    this.address = new Float64Array(memory, at + 16, 1);
  }

  /** Runs `use` alone among threads. A holder that was stopped half-way must not stop everybody: waiting has an end. */
  locked<T>(use: (slot: Slot) => T): T | Refusal {
    const until = performance.now() + LOCK_MS;
    while (Atomics.compareExchange(this.ints, 0, 0, 1) !== 0) {
      if (performance.now() > until) return { refused: 'another thread has not finished preparing it' };
      Atomics.wait(this.ints, 0, 1, 10);
    }
    try {
      return use(this);
    } finally {
      Atomics.store(this.ints, 0, 0);
      Atomics.notify(this.ints, 0);
    }
  }

  get users(): number {
    return this.ints[1];
  }

  set users(count: number) {
    this.ints[1] = count;
  }

  get code(): NativeCode {
    const entries = Array.from(this.ints.subarray(8, 8 + this.ints[3]));
    return { isa: this.isa, address: this.address[0], size: this.ints[2], entries };
  }

  set code({ address, size, entries }: NativeCode) {
    this.address[0] = address;
    this.ints[2] = size;
    this.ints[3] = entries.length;
    this.ints.set(entries, 8);
  }
}

const SLOT_BYTES = 256;
const LOCK_MS = 10_000;

function sharedSlot(isa: IsaName): Slot {
  return new Slot(processMemory(), isa);
}
