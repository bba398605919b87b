/** SwiGLU feed-forward network: down(silu(gate(x)) · up(x)). */
import type { Ops } from './ops.js';
import type { Linear, Weights } from './weights.js';

export class MLP {
  readonly gate_proj: Linear;
  readonly up_proj: Linear;
  readonly down_proj: Linear;

  constructor(w: Weights, hidden: number, intermediate: number, bias = false) {
    this.gate_proj = w.linear('gate_proj', intermediate, hidden, bias);
    this.up_proj = w.linear('up_proj', intermediate, hidden, bias);
    this.down_proj = w.linear('down_proj', hidden, intermediate, bias);
  }

  forward<T>(o: Ops<T>, x: T, residual: T): T {
    const [gate, up] = o.linears(x, [this.gate_proj, this.up_proj]);
    return o.linear(o.swiglu(gate, up), this.down_proj, residual);
  }
}
