/** A member of the team: waits for programs in its own thread and takes pieces of them until dismissed. */
import { workerData } from 'node:worker_threads';
import { memberScratch } from './arena.js';
import { instantiate } from './kernels.js';
import { bindNative } from './native/native.js';
import { CONTROL, DISMISSED, type MemberData } from './team.js';

const { module, memories, member, native } = workerData as MemberData;
const kernels = memories.map((memory) => instantiate(module, memory, native && bindNative(native, memory)));
const control = new Int32Array(memories[0].buffer, CONTROL.address, CONTROL.words);

Atomics.add(control, CONTROL.joined, 1);
Atomics.notify(control, CONTROL.joined);

let job = 0;
for (;;) {
  job = kernels[0].awaitJob(job);
  const active = Atomics.load(control, CONTROL.active);
  if (active === DISMISSED) break;
  Atomics.add(control, CONTROL.running, 1);
  try {
    kernels[active].run(member, memberScratch(member));
  } catch {
    Atomics.store(control, CONTROL.failed, job);
    kernels[active].abandon();
  } finally {
    Atomics.sub(control, CONTROL.running, 1);
  }
}
