/**
 * Loaded into an engine's threads before anything else, by tests of what happens when they break: it does harm from
 * outside, on order.
 */
const threads = require('node:worker_threads');
const { syncBuiltinESMExports } = require('node:module');

let trapsNext = false;
const members = [];

const { Instance } = WebAssembly;
WebAssembly.Instance = class extends Instance {
  constructor(...args) {
    super(...args);
    const { begin } = this.exports;
    if (!begin) return;
    // A program at the end of the address space: its first record lies outside the memory.
    const own = (program, count, members) => begin(trapsNext ? 0xffffff00 : program, count, members);
    // biome-ignore lint/correctness/noConstructorReturn: exports of an instance cannot be changed
    return { exports: { ...this.exports, begin: own } };
  }
};

const { Worker } = threads;
threads.Worker = class extends Worker {
  constructor(...args) {
    super(...args);
    members.push(this);
  }
};
syncBuiltinESMExports();

if (threads.workerData?.path) {
  const orders = new threads.BroadcastChannel('saboteur');
  orders.onmessage = ({ data }) => {
    if (data === 'trap') trapsNext = true;
    if (data === 'kill a member') for (const member of members) member.terminate();
    if (data === 'throw') throw new Error('sabotage');
  };
  orders.unref();
}
