/** The kernel module's exports: the team's loop, one piece alone (for tests) and the bandwidth probe. */
export { abandon, awaitJob, begin, run, startJob } from './team';
export { execute } from './dispatch';
export { readAll } from './bandwidth';
export { setNative } from './native';
