/** Standard error but for the line that says why there is no machine code, which is no complaint: many machines have none. */
export const complaints = (err: string): string => err.replace(/^WebAssembly computes everything: .*\n/, '');
