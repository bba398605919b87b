/**
 * onnxruntime's MatMulNBits (com.microsoft): blocks of 32 weights of 4 or 8 bits with one float scale each, activations
 * quantised to 8 bits (accuracy_level 4), the arithmetic that Q4_0 and Q8_0 ask for.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { encodeModel, type Initializer, type Node } from './onnx-model.js';
import { copiesOf, type Multiplier, type ProductCase } from './product.js';
import { generator } from './random.js';

const BLOCK = 32;
const ACCURACY_INT8 = 4;

export async function multiplier(one: ProductCase, threads: number): Promise<Multiplier> {
  const { type, tokens, rows, cols } = one;
  const bits = type === 'q4_0' ? 4 : 8;
  const copies = copiesOf(one);
  const next = generator(1);
  const blocks = cols / BLOCK;
  const nodes: Node[] = [];
  const initializers: Initializer[] = [];
  for (let i = 0; i < copies; i++) {
    const weights = Uint8Array.from({ length: (rows * cols * bits) / 8 }, () => 256 * next());
    const scales = Float32Array.from({ length: rows * blocks }, () => 0.001 * (1 + next()));
    initializers.push({ name: `b${i}`, shape: [rows, blocks, (BLOCK * bits) / 8], data: weights });
    initializers.push({ name: `s${i}`, shape: [rows, blocks], data: scales });
    nodes.push({
      ...{ domain: 'com.microsoft', type: 'MatMulNBits', inputs: ['x', `b${i}`, `s${i}`], output: `y${i}` },
      attributes: { K: cols, N: rows, bits, block_size: BLOCK, accuracy_level: ACCURACY_INT8 },
    });
  }
  const input = { name: 'x', shape: [tokens, cols] };
  const outputs = nodes.map(({ output }) => ({ name: output, shape: [tokens, rows] }));
  const session = await InferenceSession.create(encodeModel({ input, outputs, nodes, initializers }), {
    ...{ intraOpNumThreads: threads, interOpNumThreads: 1, executionProviders: ['cpu'] },
    graphOptimizationLevel: 'all',
    // Its threads spin within a run, but not into the next engine's turn.
    extra: { session: { force_spinning_stop: '1' } },
  });
  const x = new Float32Array(tokens * cols).map(() => next() - 0.5);
  const feeds = { x: new Tensor('float32', x, input.shape) };
  const fetches = Object.fromEntries(
    outputs.map(({ name, shape }) => [name, new Tensor('float32', new Float32Array(tokens * rows), shape)]),
  );
  const run = async () => {
    await session.run(feeds, fetches);
  };
  return { copies, run };
}
