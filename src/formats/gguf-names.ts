/**
 * GGUF's names for tensors and Hugging Face's: one table, used in both directions (reading, converting).
 * GGUF's side is that of ggml-org/llama.cpp (gguf-py/gguf/tensor_mapping.py), the other that of the modelling
 * code in huggingface/transformers. `#` stands for the layer's number.
 */

export interface Architecture {
  /** `general.architecture`. */
  readonly gguf: string;
  /** Hugging Face's `model_type`. */
  readonly modelType: string;
  /** The first of Hugging Face's `architectures`. */
  readonly className: string;
  readonly tensors: readonly TensorRule[];
}

export interface TensorRule {
  readonly gguf: string;
  readonly hf: string;
  /** What GGUF stores instead of x: x + 1 (zero-centred norms), or -exp(x) (A_log). Float32 on both sides. */
  readonly stored?: 'plus-one' | 'negated-exp';
  /**
   * What GGUF orders differently: 'rope' rows go from half-split to interleaved rotary order within each head;
   * value heads go from grouped by key head to tiled (new head j is member j div K of key head j mod K), where they
   * outnumber key heads, along rows ('value-rows'), columns ('value-columns') or only in the rows after those of
   * queries and keys ('value-rows-after-qk').
   */
  readonly order?: 'rope' | 'value-rows' | 'value-columns' | 'value-rows-after-qk';
  /** Shape where GGUF drops an axis of size one: [C, 1, K] kept as [C, K], [1, H] as [H]. */
  readonly squeeze?: 'middle' | 'first';
}

const rule = (gguf: string, hf: string, more: Omit<TensorRule, 'gguf' | 'hf'> = {}): TensorRule => ({
  gguf,
  hf,
  ...more,
});

/** A linear layer that may have a bias. */
const linear = (gguf: string, hf: string, more: Omit<TensorRule, 'gguf' | 'hf'> = {}): TensorRule[] => [
  rule(`${gguf}.weight`, `${hf}.weight`, more),
  rule(`${gguf}.bias`, `${hf}.bias`, more),
];

const BLOCK = 'blk.#';
const LAYER = 'model.layers.#';

interface BlockOptions {
  norm?: Omit<TensorRule, 'gguf' | 'hf'>;
  secondNorm?: string;
  qk?: Omit<TensorRule, 'gguf' | 'hf'>;
}

/** Embeddings, norms, attention and the dense feed-forward network: the same in every generation but the first. */
function decoder({ norm = {}, secondNorm = 'ffn_norm', qk = {} }: BlockOptions = {}): TensorRule[] {
  return [
    rule('token_embd.weight', 'model.embed_tokens.weight'),
    rule('output_norm.weight', 'model.norm.weight', norm),
    rule('output.weight', 'lm_head.weight'),
    rule('rope_freqs.weight', 'rope_freqs.weight'),
    rule(`${BLOCK}.attn_norm.weight`, `${LAYER}.input_layernorm.weight`, norm),
    rule(`${BLOCK}.${secondNorm}.weight`, `${LAYER}.post_attention_layernorm.weight`, norm),
    ...linear(`${BLOCK}.attn_q`, `${LAYER}.self_attn.q_proj`, qk),
    ...linear(`${BLOCK}.attn_k`, `${LAYER}.self_attn.k_proj`, qk),
    ...linear(`${BLOCK}.attn_v`, `${LAYER}.self_attn.v_proj`),
    ...linear(`${BLOCK}.attn_output`, `${LAYER}.self_attn.o_proj`),
    rule(`${BLOCK}.attn_q_norm.weight`, `${LAYER}.self_attn.q_norm.weight`, norm),
    rule(`${BLOCK}.attn_k_norm.weight`, `${LAYER}.self_attn.k_norm.weight`, norm),
    ...linear(`${BLOCK}.ffn_gate`, `${LAYER}.mlp.gate_proj`),
    ...linear(`${BLOCK}.ffn_up`, `${LAYER}.mlp.up_proj`),
    ...linear(`${BLOCK}.ffn_down`, `${LAYER}.mlp.down_proj`),
  ];
}

const experts: TensorRule[] = [
  rule(`${BLOCK}.ffn_gate_inp.weight`, `${LAYER}.mlp.gate.weight`),
  rule(`${BLOCK}.ffn_gate_exps.weight`, `${LAYER}.mlp.experts.gate_proj.weight`),
  rule(`${BLOCK}.ffn_up_exps.weight`, `${LAYER}.mlp.experts.up_proj.weight`),
  rule(`${BLOCK}.ffn_down_exps.weight`, `${LAYER}.mlp.experts.down_proj.weight`),
  rule(`${BLOCK}.ffn_gate_up_exps.weight`, `${LAYER}.mlp.experts.gate_up_proj`),
  rule(`${BLOCK}.ffn_gate_inp_shexp.weight`, `${LAYER}.mlp.shared_expert_gate.weight`, { squeeze: 'first' }),
  rule(`${BLOCK}.ffn_gate_shexp.weight`, `${LAYER}.mlp.shared_expert.gate_proj.weight`),
  rule(`${BLOCK}.ffn_up_shexp.weight`, `${LAYER}.mlp.shared_expert.up_proj.weight`),
  rule(`${BLOCK}.ffn_down_shexp.weight`, `${LAYER}.mlp.shared_expert.down_proj.weight`),
];

/** Qwen3.5's gated DeltaNet layers. */
const deltaNet: TensorRule[] = [
  rule(`${BLOCK}.attn_qkv.weight`, `${LAYER}.linear_attn.in_proj_qkv.weight`, { order: 'value-rows-after-qk' }),
  rule(`${BLOCK}.attn_gate.weight`, `${LAYER}.linear_attn.in_proj_z.weight`, { order: 'value-rows' }),
  rule(`${BLOCK}.ssm_beta.weight`, `${LAYER}.linear_attn.in_proj_b.weight`, { order: 'value-rows' }),
  rule(`${BLOCK}.ssm_alpha.weight`, `${LAYER}.linear_attn.in_proj_a.weight`, { order: 'value-rows' }),
  rule(`${BLOCK}.ssm_conv1d.weight`, `${LAYER}.linear_attn.conv1d.weight`, {
    order: 'value-rows-after-qk',
    squeeze: 'middle',
  }),
  rule(`${BLOCK}.ssm_a`, `${LAYER}.linear_attn.A_log`, { order: 'value-rows', stored: 'negated-exp' }),
  rule(`${BLOCK}.ssm_dt.bias`, `${LAYER}.linear_attn.dt_bias`, { order: 'value-rows' }),
  rule(`${BLOCK}.ssm_norm.weight`, `${LAYER}.linear_attn.norm.weight`),
  rule(`${BLOCK}.ssm_out.weight`, `${LAYER}.linear_attn.out_proj.weight`, { order: 'value-columns' }),
];

/** The first generation: the gate of its SwiGLU is w2, and w1 goes up. */
const firstGeneration: TensorRule[] = [
  rule('token_embd.weight', 'transformer.wte.weight'),
  rule('output_norm.weight', 'transformer.ln_f.weight'),
  rule('output.weight', 'lm_head.weight'),
  rule(`${BLOCK}.attn_norm.weight`, 'transformer.h.#.ln_1.weight'),
  rule(`${BLOCK}.ffn_norm.weight`, 'transformer.h.#.ln_2.weight'),
  ...linear(`${BLOCK}.attn_qkv`, 'transformer.h.#.attn.c_attn'),
  ...linear(`${BLOCK}.attn_output`, 'transformer.h.#.attn.c_proj'),
  rule(`${BLOCK}.ffn_gate.weight`, 'transformer.h.#.mlp.w2.weight'),
  rule(`${BLOCK}.ffn_up.weight`, 'transformer.h.#.mlp.w1.weight'),
  rule(`${BLOCK}.ffn_down.weight`, 'transformer.h.#.mlp.c_proj.weight'),
];

const hybrid = decoder({ norm: { stored: 'plus-one' }, secondNorm: 'post_attention_norm' });

export const ARCHITECTURES: readonly Architecture[] = [
  { gguf: 'qwen', modelType: 'qwen', className: 'QWenLMHeadModel', tensors: firstGeneration },
  { gguf: 'qwen2', modelType: 'qwen2', className: 'Qwen2ForCausalLM', tensors: decoder() },
  { gguf: 'qwen3', modelType: 'qwen3', className: 'Qwen3ForCausalLM', tensors: decoder() },
  {
    gguf: 'qwen3moe',
    modelType: 'qwen3_moe',
    className: 'Qwen3MoeForCausalLM',
    tensors: [...decoder(), ...experts],
  },
  {
    gguf: 'qwen35',
    modelType: 'qwen3_5_text',
    className: 'Qwen3_5ForCausalLM',
    tensors: [...hybrid, ...deltaNet],
  },
  {
    gguf: 'qwen35moe',
    modelType: 'qwen3_5_moe_text',
    className: 'Qwen3_5MoeForCausalLM',
    tensors: [...hybrid, ...deltaNet, ...experts],
  },
  {
    gguf: 'llama',
    modelType: 'llama',
    className: 'LlamaForCausalLM',
    tensors: decoder({ qk: { order: 'rope' } }),
  },
];

/** The rule for a tensor by its GGUF name, and the Hugging Face name it gets; undefined where the table has none. */
export function fromGgufName(architecture: Architecture, name: string): { rule: TensorRule; name: string } | undefined {
  const [pattern, layer] = split(name, /^blk\.(\d+)\./, BLOCK);
  const rule = architecture.tensors.find((rule) => rule.gguf === pattern);
  return rule && { rule, name: rule.hf.replace('#', layer) };
}

/** The rule for a tensor by its Hugging Face name, and the GGUF name it gets; undefined where the table has none. */
export function toGgufName(architecture: Architecture, name: string): { rule: TensorRule; name: string } | undefined {
  const [pattern, layer] = split(name, /^(?:model\.layers|transformer\.h)\.(\d+)\./, undefined);
  const rule = architecture.tensors.find((rule) => rule.hf === pattern);
  return rule && { rule, name: rule.gguf.replace('#', layer) };
}

/** Puts `#` for the layer's number. */
function split(name: string, layered: RegExp, prefix: string | undefined): [pattern: string, layer: string] {
  const match = layered.exec(name);
  if (!match) return [name, ''];
  const [head, layer] = match as unknown as [string, string];
  return [(prefix === undefined ? head.replace(layer, '#') : `${prefix}.`) + name.slice(head.length), layer];
}
