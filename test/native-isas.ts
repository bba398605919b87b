import { availableIsas } from '../src/tensor/native/available.js';
import { ISA_NAMES, type IsaName } from '../src/tensor/native/isa.js';

const available = availableIsas();

export const nativeRuns = available.length > 0;
/** What tests of native kernels run over: this machine's instruction sets; where it has none, all, to be reported as skipped. */
export const isas: readonly IsaName[] = nativeRuns ? available : ISA_NAMES;
