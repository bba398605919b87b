/**
 * Qwen3.5: three gated-DeltaNet layers to one of gated attention. A DeltaNet layer remembers a fixed amount,
 * one matrix a head and the last inputs of a short convolution; only every fourth layer keeps keys and values.
 * Norm weights are stored less one, except the DeltaNet's own; a quarter of each head rotates.
 */
import { Attention } from './attention.js';
import type { SubLayer } from './block.js';
import { type BaseConfig, type ConfigReader, readBaseConfig } from './config.js';
import { decoder } from './decoder.js';
import { MLP } from './mlp.js';
import type { Architecture, Block } from './model.js';
import type { DeltaShape, Ops } from './ops.js';
import { readRope } from './rope.js';
import type { ConvState, DeltaState, State } from './state.js';
import type { Linear, Norm, Vector, Weights } from './weights.js';

export const qwen35: Architecture = (c, w, layer) => {
  const config = readBaseConfig(c);
  const rope = readRope(c, config.head_dim);
  const types = layerTypes(c, config.num_hidden_layers);
  return decoder(c, config, w, layer, {
    rope,
    normOffset: 1,
    block: (w, index) => {
      if (types[index] === 'linear_attention') {
        const mixer = new GatedDeltaNet(w.at('linear_attn'), c, config);
        return new HybridBlock(w, config, mixer, [mixer.convState, mixer.deltaState]);
      }
      const variant = { qkNorm: true, normOffset: 1, gated: true } as const;
      const mixer = new Attention(w.at('self_attn'), config, rope, variant);
      return new HybridBlock(w, config, mixer, [mixer.cache]);
    },
  });
};

/** `layer_types`, or every `full_attention_interval`-th layer with full attention. */
function layerTypes(c: ConfigReader, layers: number): string[] {
  const interval = c.count('full_attention_interval', 4);
  const types =
    c.strings('layer_types') ??
    Array.from({ length: layers }, (_, i) => ((i + 1) % interval === 0 ? 'full_attention' : 'linear_attention'));
  const known = types.every((type) => type === 'linear_attention' || type === 'full_attention');
  if (types.length !== layers || !known)
    throw c.wrong('layer_types', `${layers} of linear_attention or full_attention`);
  return types;
}

class HybridBlock implements Block {
  readonly input_layernorm: Norm;
  readonly post_attention_layernorm: Norm;
  readonly mlp: MLP;

  constructor(
    w: Weights,
    c: BaseConfig,
    readonly mixer: SubLayer,
    readonly states: readonly State[],
  ) {
    this.input_layernorm = w.norm('input_layernorm', c.hidden_size, c.rms_norm_eps, 1);
    this.post_attention_layernorm = w.norm('post_attention_layernorm', c.hidden_size, c.rms_norm_eps, 1);
    this.mlp = new MLP(w.at('mlp'), c.hidden_size, c.intermediate_size);
  }

  forward<T>(o: Ops<T>, x: T): T {
    const h = this.mixer.forward(o, o.rmsNorm(x, this.input_layernorm), x);
    return this.mlp.forward(o, o.rmsNorm(h, this.post_attention_layernorm), h);
  }
}

class GatedDeltaNet implements SubLayer {
  readonly in_proj_qkv: Linear;
  readonly in_proj_z: Linear;
  readonly in_proj_b: Linear;
  readonly in_proj_a: Linear;
  readonly conv1d: Vector;
  readonly A_log: Vector;
  readonly dt_bias: Vector;
  readonly norm: Norm;
  readonly out_proj: Linear;
  readonly convState: ConvState;
  readonly deltaState: DeltaState;
  private readonly shape: DeltaShape;

  constructor(w: Weights, c: ConfigReader, config: BaseConfig) {
    const keyHeads = c.count('linear_num_key_heads');
    const valueHeads = c.count('linear_num_value_heads');
    const keyDim = c.count('linear_key_head_dim');
    const valueDim = c.count('linear_value_head_dim');
    const kernel = c.count('linear_conv_kernel_dim', 4);
    if (valueHeads % keyHeads !== 0) throw c.wrong('linear_num_value_heads', `a multiple of ${keyHeads} key heads`);
    const channels = 2 * keyHeads * keyDim + valueHeads * valueDim;
    const hidden = config.hidden_size;
    this.in_proj_qkv = w.linear('in_proj_qkv', channels, hidden);
    this.in_proj_z = w.linear('in_proj_z', valueHeads * valueDim, hidden);
    this.in_proj_b = w.linear('in_proj_b', valueHeads, hidden);
    this.in_proj_a = w.linear('in_proj_a', valueHeads, hidden);
    this.conv1d = w.vector('conv1d.weight', channels, 1, kernel);
    this.A_log = w.vector('A_log', valueHeads);
    this.dt_bias = w.vector('dt_bias', valueHeads);
    this.norm = w.norm('norm', valueDim, config.rms_norm_eps);
    this.out_proj = w.linear('out_proj', hidden, valueHeads * valueDim);
    this.shape = { keyHeads, valueHeads, keyDim, valueDim, tiled: c.flag('kaiwen_value_heads_tiled', false) };
    this.convState = { kind: 'conv', channels, kernel };
    this.deltaState = { kind: 'delta', heads: valueHeads, keyDim, valueDim };
  }

  forward<T>(o: Ops<T>, x: T, residual: T): T {
    const [mixed, z] = o.linears(x, [this.in_proj_qkv, this.in_proj_z]);
    const a = o.linear(x, this.in_proj_a);
    const b = o.linear(x, this.in_proj_b);
    const qkv = o.conv(mixed, this.conv1d, this.convState);
    const y = o.deltaRule(qkv, a, b, { aLog: this.A_log, dtBias: this.dt_bias }, this.deltaState, this.shape);
    return o.linear(o.gatedNorm(y, z, this.norm, this.shape.valueHeads), this.out_proj, residual);
  }
}
