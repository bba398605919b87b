/**
 * How the members of a team share a program of operations.
 *
 * The pieces of an operation are divided into one range a member. A range's 64-bit ticket holds the operation (high
 * half) and the range's next free piece (low half); a piece is claimed by adding one, and what the addition returns is
 * authoritative, so a member that comes late simply finds other work. A member takes its own range first and then
 * helps with the others'. The member that finishes an operation's last piece moves all tickets on. Nobody waits for a
 * member that holds no piece: a descheduled thread delays the others by at most the one piece it holds.
 *
 * Operations of one piece that follow are computed by that member before it moves the tickets: telling the others
 * would take longer than the small operations of a single token do.
 *
 * Ranges are the same for every pass over a model, so each core reads the same weights each time. That matters: memory
 * last read by another core arrives at half the speed on machines whose cores have caches of their own.
 *
 * Waiting spins for some tens of microseconds, then sleeps on a futex. Who waits reads the first weights of its next
 * matrix into its cache: time that the others need for small operations is not lost to memory.
 */
import { Op, OP_BYTES } from '../src/tensor/opcodes';
import { execute } from './dispatch';
import { AHEAD_BYTES, readAhead, weightsOfPiece } from './ahead';

// Addresses of the control block, one cache line for each word that members fight over.
const CURRENT: usize = 64;
const DONE: usize = 128;
const EPOCH: usize = 192;
const SLEEPERS: usize = 196;
const PROGRAM: usize = 256;
const COUNT: usize = 260;
const MEMBERS: usize = 264;
const JOB: usize = 320;
const JOB_SLEEPERS: usize = 324;
/** The ranges' tickets, one cache line each. */
const TICKETS: usize = 4096;

const END: i32 = 0x7fffffff;
const SPINS: i32 = 50000;
/** How far a waiting member looks for the next matrix. */
const OPERATIONS_AHEAD: i32 = 5;

/** Member 0: makes `count` operations at `program` the current program. Follow with startJob() and run(). */
export function begin(program: usize, count: i32, members: i32): void {
  store<u32>(PROGRAM, <u32>program);
  store<i32>(COUNT, count);
  store<i32>(MEMBERS, members);
  atomic.store<i32>(DONE, 0);
  moveTo(count > 0 ? 0 : END);
}

/** Takes pieces until the program ends. `scratch` is this member's private memory. */
export function run(member: i32, scratch: usize): void {
  const members = load<i32>(MEMBERS);
  for (;;) {
    const epoch = atomic.load<i32>(EPOCH);
    const current = atomic.load<i32>(CURRENT);
    if (current == END) return;
    let working = false;
    for (let i = 0; i < members && !working; i++) working = takePiece((member + i) % members, members, current, scratch);
    if (!working) awaitNext(member, members, current, epoch);
  }
}

/** Computes a piece of a range. False if the range has none left of operation `current`. */
function takePiece(range: i32, members: i32, current: i32, scratch: usize): bool {
  const at = TICKETS + (<usize>range << 6);
  let ticket = atomic.load<i64>(at);
  if (<i32>(ticket >> 32) != current) return true;
  if (<i32>ticket >= size(range, members, pieces(current))) return false;
  ticket = atomic.add<i64>(at, 1);
  const index = <i32>(ticket >> 32);
  if (index == END) return true;
  const count = pieces(index);
  if (<i32>ticket >= size(range, members, count)) return true;
  execute(record(index), start(range, members, count) + <i32>ticket, scratch);
  if (atomic.add<i32>(DONE, 1) + 1 == count) {
    atomic.store<i32>(DONE, 0);
    moveTo(computeSingles(index + 1, scratch));
  }
  return true;
}

/** Computes the operations from `index` on that have one piece; returns the first that has more, or END. */
function computeSingles(index: i32, scratch: usize): i32 {
  const count = load<i32>(COUNT);
  for (; index < count; index++) {
    if (pieces(index) > 1) return index;
    execute(record(index), 0, scratch);
  }
  return END;
}

/** Ends the program for everybody, finished or not: a member has failed. */
export function abandon(): void {
  moveTo(END);
  atomic.notify(EPOCH);
}

// @ts-ignore: decorator
@inline
function record(index: i32): usize {
  return <usize>load<u32>(PROGRAM) + <usize>index * OP_BYTES;
}

// @ts-ignore: decorator
@inline
function pieces(index: i32): i32 {
  return load<i32>(record(index), 4);
}

/** First piece of a range. */
// @ts-ignore: decorator
@inline
function start(range: i32, members: i32, count: i32): i32 {
  return <i32>((<i64>count * range) / members);
}

// @ts-ignore: decorator
@inline
function size(range: i32, members: i32, count: i32): i32 {
  return start(range + 1, members, count) - start(range, members, count);
}

function moveTo(index: i32): void {
  const members = load<i32>(MEMBERS);
  for (let range = 0; range < members; range++) atomic.store<i64>(TICKETS + (<usize>range << 6), <i64>index << 32);
  atomic.store<i32>(CURRENT, index);
  atomic.add<i32>(EPOCH, 1);
  if (atomic.load<i32>(SLEEPERS) > 0) atomic.notify(EPOCH);
}

/** Where this member's range of the next matrix begins, if it comes soon; else 0. */
function nextWeights(member: i32, members: i32, current: i32): usize {
  const last = min(current + OPERATIONS_AHEAD, load<i32>(COUNT) - 1);
  for (let index = current + 1; index <= last; index++) {
    const op = record(index);
    if (load<i32>(op) == Op.matmul) return weightsOfPiece(op, start(member, members, pieces(index)));
  }
  return 0;
}

function awaitNext(member: i32, members: i32, current: i32, epoch: i32): void {
  let ahead = nextWeights(member, members, current);
  const end = ahead + AHEAD_BYTES;
  for (let i = 0; i < SPINS; i++) {
    if (atomic.load<i32>(CURRENT) != current) return;
    if (ahead && ahead < end) ahead = readAhead(ahead);
  }
  atomic.add<i32>(SLEEPERS, 1);
  // Waking without news is harmless: the caller looks at the tickets again.
  atomic.wait<i32>(EPOCH, epoch, 100_000_000);
  atomic.sub<i32>(SLEEPERS, 1);
}

/** Member 0: tells sleeping members that there is a program to run (in the home arena). */
export function startJob(): void {
  atomic.add<i32>(JOB, 1);
  if (atomic.load<i32>(JOB_SLEEPERS) > 0) atomic.notify(JOB);
}

/** Other members: returns the number of the job after `last`, once there is one. */
export function awaitJob(last: i32): i32 {
  for (let i = 0; i < SPINS; i++) {
    const job = atomic.load<i32>(JOB);
    if (job != last) return job;
  }
  atomic.add<i32>(JOB_SLEEPERS, 1);
  while (atomic.load<i32>(JOB) == last) atomic.wait<i32>(JOB, last, -1);
  atomic.sub<i32>(JOB_SLEEPERS, 1);
  return atomic.load<i32>(JOB);
}
