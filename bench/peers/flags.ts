/** The command line of the benchmark. */
import { parseArgs } from 'node:util';
import type { ConvertType } from '../../src/formats/quant-mix.js';
import { OURS } from './peer.js';
import { SHAPES, type ShapeName } from './shapes.js';

const MODELS = ['Qwen3-0.6B', 'Qwen3-1.7B', 'Qwen2.5-0.5B'] as const satisfies ShapeName[];
/** In this order: in a quick run Q8_0 has the longest case, and what is left of the time. */
const TYPES = ['q4_0', 'q4_k_m', 'q8_0'] as const satisfies ConvertType[];

const HELP = `Usage: npm run -s bench:peers -- [flags]

Times Kaiwen (native tiles, WebAssembly) and llama.cpp in turn on random models, then products of matrices beside
onnxruntime and OpenBLAS. Models are made once (bench/peers/models/) and kept.

  --quick           at most 5 minutes once the model is there: Qwen3-0.6B, fewer cases, fewer runs
  --json FILE       also write the results: [{backend, model, type, case, ours, theirs, ratio, unit}]
  --model SHAPE     only this shape; repeatable (${MODELS.join(', ')}; also ${other()})
  --type TYPE       only this type; repeatable (${TYPES.join(', ')})
  --case TEXT       only cases whose name holds TEXT; repeatable (--case decode --case 'prefill 512')
  --backend NAME    only this backend of Kaiwen; repeatable (${OURS.map(({ name }) => name).join(', ')})
  --threads N       threads of every engine; else one and all cores are tried and the faster is taken for each
  --no-products     leave out the products of matrices
  --products        nothing but the products of matrices`;

function other(): string {
  return Object.keys(SHAPES)
    .filter((name) => !(MODELS as readonly string[]).includes(name) && !name.startsWith('small'))
    .join(', ');
}

export interface Flags {
  quick: boolean;
  json?: string;
  models: ShapeName[];
  types: ConvertType[];
  threads?: number;
  products: boolean;
  wantsCase(name: string): boolean;
  wantsBackend(name: string): boolean;
}

/** Reads process.argv; ends the process after `--help` and after what cannot be understood. */
export function readFlags(): Flags {
  try {
    return parse();
  } catch (error) {
    console.error(`${(error as Error).message}\n--help tells the flags.`);
    process.exit(2);
  }
}

function parse(): Flags {
  const many = { type: 'string', multiple: true, default: [] as string[] } as const;
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      threads: { type: 'string' },
      products: { type: 'boolean' },
      'no-products': { type: 'boolean' },
      ...{ model: many, type: many, case: many, backend: many },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit();
  }
  const { quick, json, threads, case: cases, backend } = values;
  const models = pick('model', values.model, Object.keys(SHAPES), quick ? MODELS.slice(0, 1) : MODELS);
  const types = pick('type', values.type, TYPES, TYPES);
  pick(
    'backend',
    backend,
    OURS.map(({ name }) => name),
    [],
  );
  if (threads !== undefined && !/^[1-9]\d{0,2}$/.test(threads)) throw new Error(`--threads ${threads} is no number.`);
  return {
    ...{ quick, json, types: types as ConvertType[], models: values.products ? [] : (models as ShapeName[]) },
    threads: threads === undefined ? undefined : Number(threads),
    products: !values['no-products'] && (cases.length === 0 || values.products === true),
    wantsCase: (name) => values.products === true || cases.length === 0 || cases.some((text) => name.includes(text)),
    wantsBackend: (name) => backend.length === 0 || backend.includes(name),
  };
}

function pick(
  flag: string,
  given: readonly string[],
  known: readonly string[],
  all: readonly string[],
): readonly string[] {
  for (const value of given) {
    if (!known.includes(value)) throw new Error(`--${flag} ${value}: it must be one of ${known.join(', ')}.`);
  }
  return given.length > 0 ? given : all;
}
