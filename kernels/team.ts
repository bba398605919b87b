/**
 * How the members of a team share a program of operations.
 *
 * One 64-bit ticket holds the index of the current operation (high half) and its next free piece (low half).
 * A member claims a piece by adding one; what the addition returns is authoritative, so a member that comes late
 * simply finds other work. The member that finishes an operation's last piece moves the ticket on. Nobody waits
 * for a member that holds no piece: a descheduled thread delays the others by at most the one piece it holds.
 * Waiting spins for some tens of microseconds, then sleeps on a futex.
 */
import { OP_BYTES } from '../src/tensor/opcodes';
import { execute } from './dispatch';

// Addresses of the control block, one cache line for each word that members fight over.
const TICKET: usize = 64;
const DONE: usize = 128;
const EPOCH: usize = 192;
const SLEEPERS: usize = 196;
const PROGRAM: usize = 256;
const COUNT: usize = 260;
const JOB: usize = 320;
const JOB_SLEEPERS: usize = 324;

const END: i64 = 0x7fffffff;
const SPINS: i32 = 50000;

/** Member 0: makes `count` operations at `program` the current program. Follow with startJob() and run(). */
export function begin(program: usize, count: i32): void {
  store<u32>(PROGRAM, <u32>program);
  store<i32>(COUNT, count);
  atomic.store<i32>(DONE, 0);
  atomic.store<i64>(TICKET, count > 0 ? 0 : END << 32);
}

/** Takes pieces until the program ends. `scratch` is this member's private memory. */
export function run(scratch: usize): void {
  for (;;) {
    let ticket = atomic.load<i64>(TICKET);
    if (ticket >> 32 == END) return;
    const epoch = atomic.load<i32>(EPOCH);
    if (<i32>ticket < pieces(ticket)) {
      ticket = atomic.add<i64>(TICKET, 1);
      if (ticket >> 32 == END) return;
      if (<i32>ticket < pieces(ticket)) {
        execute(record(ticket), <i32>ticket, scratch);
        if (atomic.add<i32>(DONE, 1) + 1 == pieces(ticket)) advance(<i32>(ticket >> 32) + 1);
        continue;
      }
    }
    awaitNext(ticket >> 32, epoch);
  }
}

/** Ends the program for everybody, finished or not: a member has failed. */
export function abandon(): void {
  atomic.store<i64>(TICKET, END << 32);
  atomic.add<i32>(EPOCH, 1);
  atomic.notify(EPOCH);
}

// @ts-ignore: decorator
@inline
function record(ticket: i64): usize {
  return <usize>load<u32>(PROGRAM) + <usize>(ticket >> 32) * OP_BYTES;
}

// @ts-ignore: decorator
@inline
function pieces(ticket: i64): i32 {
  return load<i32>(record(ticket), 4);
}

function advance(index: i32): void {
  atomic.store<i32>(DONE, 0);
  atomic.store<i64>(TICKET, (index == load<i32>(COUNT) ? END : <i64>index) << 32);
  atomic.add<i32>(EPOCH, 1);
  if (atomic.load<i32>(SLEEPERS) > 0) atomic.notify(EPOCH);
}

function awaitNext(index: i64, epoch: i32): void {
  for (let i = 0; i < SPINS; i++) if (atomic.load<i64>(TICKET) >> 32 != index) return;
  atomic.add<i32>(SLEEPERS, 1);
  // Waking without news is harmless: the caller looks at the ticket again.
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
