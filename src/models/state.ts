/**
 * What a layer remembers of the tokens before: keys and values of each for attention, a fixed amount for
 * convolution and delta rule. Only their shapes are known here; an executor owns the data.
 */
export interface KVCache {
  readonly kind: 'kv';
  readonly kvHeads: number;
  readonly headDim: number;
}

/** The last `kernel - 1` inputs of a causal convolution. */
export interface ConvState {
  readonly kind: 'conv';
  readonly channels: number;
  readonly kernel: number;
}

/** One [keyDim, valueDim] matrix for each value head. */
export interface DeltaState {
  readonly kind: 'delta';
  readonly heads: number;
  readonly keyDim: number;
  readonly valueDim: number;
}

export type State = KVCache | ConvState | DeltaState;
