/** Numbers that the recorder (TypeScript) and the kernels (AssemblyScript) must agree on for the delta rule in training. */

/** Tokens from one state that is kept for the way back to the next; those between are computed again. */
export const DELTA_BLOCK = 64;
/** Tokens that the way back takes at once; a block is a multiple. */
export const DELTA_CHUNK = 16;
