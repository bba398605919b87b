/**
 * A checkpoint: a model on disk, read lazily. Both file formats (a Hugging Face folder of safetensors,
 * one GGUF file) present themselves in this one shape, with Hugging Face's names for configuration
 * fields and tensors, so that a model file is written once. Nothing here allocates memory for weights:
 * the caller says where the bytes go.
 */
import type { DType } from '../tensor/dtype.js';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export interface TensorInfo {
  /** Hugging Face name without the `model.language_model.` prefix of nested layouts: always `model.…` or `lm_head.weight` (Qwen 1: `transformer.…`). */
  readonly name: string;
  readonly dtype: DType;
  /** Row-major, outermost first: a linear layer is [out, in]; stacked experts are [experts, out, in]. */
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** The file that holds it, for messages. */
  readonly file: string;
}

/** Where the tokenizer's definition was found; `src/tokenizer` turns it into a Tokenizer. */
export type TokenizerSource =
  | { kind: 'tokenizer.json'; path: string; config: JsonObject }
  | { kind: 'tiktoken'; path: string; config: JsonObject }
  | { kind: 'gguf'; metadata: Readonly<Record<string, unknown>> };

export interface Checkpoint extends Disposable {
  readonly path: string;
  readonly format: 'safetensors' | 'gguf';
  /**
   * The model's configuration with Hugging Face's field names (`model_type`, `hidden_size`, …), `text_config` already
   * flattened into it. GGUF metadata are translated. Two fields of our own tell how GGUF orders some rows:
   * `kaiwen_rope_interleaved` (Llama's q and k rows) and `kaiwen_value_heads_tiled` (Qwen3.5's value heads).
   */
  readonly config: JsonObject;
  readonly generationConfig: JsonObject;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly tokenizer?: TokenizerSource;
  /** Jinja source of the chat template, if the model has one. */
  readonly chatTemplate?: string;
  readonly licence?: string;
  /** What was skipped and why, one sentence each (vision tower, MTP head). */
  readonly notices: readonly string[];
  /**
   * Reads `into.byteLength` bytes of a tensor from byte `from` straight into `into`, which may lie in shared memory.
   * Synchronous: it runs in the engine's worker. Throws KaiwenError 'io' or 'bad_file' if the bytes are not there.
   */
  read(tensor: TensorInfo, into: Uint8Array, from?: number): void;
  close(): void;
}
