/**
 * Single products of matrices: Kaiwen's kernels beside onnxruntime's on the shapes of Qwen3-0.6B (the arithmetic mark:
 * the weights fit the caches), and in float32 beside OpenBLAS; in turn, as everything here.
 */
import { Child } from './child.js';
import type { Entry } from './peer.js';
import { type Library, Product, type ProductCase } from './product.js';
import { print, showStatus } from './progress.js';
import { type Report, spread } from './report.js';

/** [columns, rows]: query, key and value, output, gate and up, down. */
const SHAPES = [
  [1024, 2048],
  [1024, 1024],
  [2048, 1024],
  [1024, 3072],
  [3072, 1024],
] as const;
const TOKENS = [1, 64, 512] as const;

interface Opponent {
  name: string;
  library: Library;
  env?: Readonly<Record<string, string>>;
}

const ONNXRUNTIME: Opponent = { name: 'onnxruntime', library: 'onnxruntime' };
/** As it chooses its kernels itself, and told to take those for AVX-512, which older versions miss on new processors. */
const OPENBLAS: readonly Opponent[] = [
  { name: 'OpenBLAS', library: 'openblas' },
  { name: 'OpenBLAS SkylakeX', library: 'openblas', env: { OPENBLAS_CORETYPE: 'SkylakeX' } },
];

interface Options {
  quick: boolean;
  threads: number;
}

export async function timeProducts(report: Report, ours: readonly Entry[], options: Options): Promise<void> {
  const shapes = options.quick ? SHAPES.slice(3, 4) : SHAPES;
  for (const type of ['q4_0', 'q8_0'] as const) {
    const cases = shapes.flatMap(([cols, rows]) => TOKENS.map((tokens) => ({ type, tokens, rows, cols })));
    await compare(report, ours, [ONNXRUNTIME], cases, options, { model: 'MatMulNBits', unit: 'GMAC/s', scale: 1 });
  }
  const square = { type: 'f32', tokens: 1024, rows: 1024, cols: 1024 } as const;
  await compare(report, ours, OPENBLAS, [square], options, { model: 'sgemm', unit: 'GFLOP/s', scale: 2 });
}

async function compare(
  report: Report,
  ours: readonly Entry[],
  opponents: readonly Opponent[],
  cases: readonly ProductCase[],
  { quick, threads }: Options,
  { model, unit, scale }: { model: string; unit: string; scale: number },
): Promise<void> {
  const [runs, runMs] = quick ? [5, 40] : [9, 100];
  const [{ type }] = cases;
  const others = await present(opponents, cases[0], threads);
  if (others.length === 0) return;
  const mine = ours.map(({ name, env }): Opponent => ({ name, env, library: 'kaiwen' }));
  const contenders = [...mine, ...others];
  const tables = mine.flatMap(({ name }, i) =>
    others.map((other, j) => {
      const beside = `${model}, ${other.name}`;
      const add = report.for(name, beside, type, other.name);
      return { mine: i, theirs: mine.length + j, add, text: () => report.table(name, beside, type) };
    }),
  );
  for (const one of cases) {
    const label = `${one.cols}x${one.rows}, tokens: ${one.tokens}`;
    const products = contenders.map(({ name, library, env }) => new Product(name, library, env));
    const rates = contenders.map((): number[] => []);
    try {
      for (const product of products) await product.prepare(one, threads);
      for (let run = 1; run <= runs; run++) {
        for (const [i, product] of products.entries()) {
          showStatus(`${model} ${type} ${label}: run ${run} of ${runs}, ${contenders[i].name}`);
          await Child.settle();
          const operations = scale * one.tokens * one.rows * one.cols;
          rates[i].push(operations / (await product.time(runMs)) / 1e6);
        }
      }
    } finally {
      for (const product of products) await product.stop();
    }
    for (const { mine, theirs, add } of tables) add(label, spread(rates[mine]), spread(rates[theirs]), unit, 'more');
  }
  print(`\n${model} ${type}, ${threads} threads`);
  for (const { text } of tables) print(text());
}

/** The libraries that this machine has, with what they say of themselves; the others are told of and left out. */
async function present(opponents: readonly Opponent[], one: ProductCase, threads: number): Promise<Opponent[]> {
  const found: Opponent[] = [];
  for (const opponent of opponents) {
    const product = new Product(opponent.name, opponent.library, opponent.env);
    try {
      const note = await product.prepare(one, threads);
      if (note) print(`${opponent.name} runs its kernels for ${note}.`);
      found.push(opponent);
    } catch (error) {
      print(`Left out: ${(error as Error).message.split('\n')[0]}`);
    } finally {
      await product.stop();
    }
  }
  return found;
}
