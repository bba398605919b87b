/**
 * What a user meets who gives Kaiwen broken, hostile or foreign files and senseless arguments: the built program
 * ends at once with one line that names the file or field and, where there is one, the remedy; no stack, no output,
 * nothing left behind. Each case is a good model with one thing wrong.
 */
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { complaints } from './complaints.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MAIN = join(ROOT, 'dist/cli/main.js');
const GLOSSARY = join(ROOT, 'models/glossary');

interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  out: string;
  err: string;
}

/** Runs a program to its end; one that hangs is killed, and its signal fails the test. */
async function execute(program: string, args: readonly string[]): Promise<Outcome> {
  const child = spawn(program, args, { cwd: scratch, env: { ...process.env, NO_COLOR: '1' }, timeout: 20_000 });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    err += text;
  });
  child.stdin.on('error', () => {}).end();
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.on('close', (...ending) => resolve(ending)),
  );
  return { code, signal, out, err };
}

const kaiwen = (...args: string[]): Promise<Outcome> => execute(process.execPath, [MAIN, ...args]);
const run = (model: string): Promise<Outcome> => kaiwen('run', model, 'hi', '--greedy', '--max-tokens', '2');

function expectRefusal(outcome: Outcome, message: RegExp, code = 1): void {
  expect(outcome.err).toMatch(message);
  expect(complaints(outcome.err)).toMatch(/^kaiwen: [^\n]+[.)]\n$/);
  expect(outcome).toMatchObject({ code, signal: null, out: '' });
}

let scratch: string;
let gguf: Buffer;
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'kaiwen-bad-'));
  const { code } = await kaiwen('convert', GLOSSARY, 'good.gguf');
  expect(code).toBe(0);
  gguf = readFileSync(join(scratch, 'good.gguf'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let folders = 0;
/** A copy of the good model folder. */
function folder(change: (path: string) => void): string {
  const path = join(scratch, `model-${folders++}`);
  cpSync(GLOSSARY, path, { recursive: true });
  change(path);
  return path;
}

/** The good model with another text in one of its files. */
function rewritten(name: string, change: (text: string) => string): string {
  return folder((path) => {
    const file = join(path, name);
    writeFileSync(file, change(existsSync(file) ? readFileSync(file, 'utf8') : ''));
  });
}

type Fields = Record<string, unknown>;
const withConfig = (fields: Fields): string =>
  rewritten('config.json', (text) => JSON.stringify({ ...JSON.parse(text), ...fields }));

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
/** The good model with another safetensors header, or other bytes of its file. */
function withHeader(change: (header: Header, data: Buffer) => void): string {
  return folder((path) => {
    const file = join(path, 'model.safetensors');
    const bytes = readFileSync(file);
    const end = 8 + Number(bytes.readBigUInt64LE(0));
    const header: Header = JSON.parse(bytes.toString('utf8', 8, end));
    const data = Buffer.from(bytes.subarray(end));
    change(header, data);
    writeFileSync(file, Buffer.concat([safetensorsHeader(header), data]));
  });
}

function safetensorsHeader(header: Header): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json]);
}

/** A file whose data are zeros that the disk does not hold. */
function writeSparse(file: string, header: Header, dataBytes: number): void {
  const bytes = safetensorsHeader(header);
  writeFileSync(file, bytes);
  truncateSync(file, bytes.length + dataBytes);
}

const withBytes = (change: (bytes: Buffer) => Buffer | undefined): string =>
  folder((path) => {
    const file = join(path, 'model.safetensors');
    const bytes = readFileSync(file);
    writeFileSync(file, change(bytes) ?? bytes);
  });

/** The good GGUF file with other bytes. */
function withGguf(change: (bytes: Buffer) => Buffer | undefined): string {
  const path = join(scratch, `model-${folders++}.gguf`);
  const bytes = Buffer.from(gguf);
  writeFileSync(path, change(bytes) ?? bytes);
  return path;
}

/** Where the value (of a key) or the description (of a tensor) begins that follows a name in a GGUF file. */
function after(bytes: Buffer, name: string): number {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(name.length));
  const at = bytes.indexOf(Buffer.concat([length, Buffer.from(name)]));
  expect(at, name).toBeGreaterThan(0);
  return at + 8 + name.length;
}

/** A value at an offset behind a name. */
const u32 = (name: string, offset: number, value: number) =>
  withGguf((bytes) => void bytes.writeUInt32LE(value, after(bytes, name) + offset));
const u64 = (name: string, offset: number, value: bigint) =>
  withGguf((bytes) => void bytes.writeBigUInt64LE(value, after(bytes, name) + offset));

const NORM = 'model.norm.weight';
const ATTN_Q = 'blk.0.attn_q.weight';

/** [what is wrong, the model, what the one line says]. */
type BadModel = [what: string, make: () => string, message: RegExp];

const SAFETENSORS: BadModel[] = [
  ['an empty file', () => withBytes(() => Buffer.alloc(0)), /model\.safetensors: truncated, 8 bytes needed and 0/],
  ['cut in the header', () => withBytes((b) => b.subarray(0, 5000)), /model\.safetensors: truncated/],
  ['cut in the data', () => withBytes((b) => b.subarray(0, b.length - 1)), /model\.safetensors: truncated.* again/],
  ['a header of 2^62 bytes', () => withBytes((b) => void b.writeBigUInt64LE(2n ** 62n)), /header would have 4611686/],
  [
    'a header that nests',
    () => withBytes(() => Buffer.concat([Buffer.from([64, 66, 15, 0, 0, 0, 0, 0]), Buffer.alloc(1e6, '[')])),
    /no JSON text/,
  ],
  [
    'tensors that overlap',
    () =>
      withHeader((h) => {
        const [start, end] = h[NORM].data_offsets;
        h[NORM].data_offsets = [start - 64, end - 64];
      }),
    /overlaps another/,
  ],
  [
    'an offset beyond the file',
    () =>
      withHeader((h) => {
        h[NORM].data_offsets = [1e12, 1e12 + 256];
      }),
    /model\.norm\.weight/,
  ],
  [
    'a shape of 2^104 elements',
    () =>
      withHeader((h) => {
        h[NORM].shape = [2 ** 52, 2 ** 52];
      }),
    /model\.norm\.weight': 256 bytes, but/,
  ],
  [
    'an unknown type',
    () =>
      withHeader((h) => {
        h[NORM].dtype = 'Q9';
      }),
    /model\.norm\.weight' has the unknown type Q9.*F32/,
  ],
  [
    'a missing tensor',
    () =>
      withHeader((h) => {
        h['model.nrm.weight'] = h[NORM];
        delete h[NORM];
      }),
    /the tensor "model\.norm\.weight" is missing/,
  ],
  [
    'a name that commands the terminal',
    () =>
      withHeader((h) => {
        h['\u001b[2J\n'] = { ...h[NORM], dtype: 'Q' };
      }),
    /^[^\u001b]+unknown type Q/,
  ],
  [
    'weights that are not numbers',
    () => withHeader((h, data) => data.fill(0xff, ...h[NORM].data_offsets)),
    /computed NaN.*check the file/,
  ],
  ['no weights', () => folder((path) => rmSync(join(path, 'model.safetensors'))), /no model\.safetensors\. Download/],
  [
    'an index that leaves its folder',
    () =>
      folder((path) => {
        rmSync(join(path, 'model.safetensors'));
        writeFileSync(join(path, 'model.safetensors.index.json'), '{"weight_map":{"a":"../good.safetensors"}}');
      }),
    /index\.json: tensor 'a'/,
  ],
];

const GGUF: BadModel[] = [
  ['an empty file', () => withGguf(() => Buffer.alloc(0)), /\.gguf: truncated/],
  ['cut in the metadata', () => withGguf((b) => b.subarray(0, 60_000)), /\.gguf: .*bytes are left in the file/],
  ['cut in the data', () => withGguf((b) => b.subarray(0, b.length - 1)), /\.gguf: tensor '.*truncated/],
  ['another magic', () => withGguf((b) => void b.write('GGUX')), /not a GGUF file/],
  ['an unknown version', () => withGguf((b) => void b.writeUInt32LE(99, 4)), /GGUF version 99.* 2 or 3/],
  ['2^64 - 1 tensors', () => withGguf((b) => void b.writeBigUInt64LE(2n ** 64n - 1n, 8)), /tensors announced/],
  ['2^63 pairs of metadata', () => withGguf((b) => void b.writeBigUInt64LE(2n ** 63n, 16)), /pairs announced/],
  ['a key of 2^40 bytes', () => withGguf((b) => void b.writeBigUInt64LE(2n ** 40n, 24)), /metadata key 0 would have/],
  [
    'a string of 2^64 - 1 bytes',
    () => u64('general.architecture', 4, 2n ** 64n - 1n),
    /general\.architecture would have/,
  ],
  [
    'an array of 2^40 elements',
    () => u64('tokenizer.ggml.tokens', 8, 2n ** 40n),
    /elements of 'tokenizer\.ggml\.tokens'/,
  ],
  [
    'an unknown value type',
    () => u32('general.architecture', 0, 77),
    /'general\.architecture' has the unknown type 77/,
  ],
  [
    'an unknown architecture',
    () => withGguf((b) => void b.write('mamba', after(b, 'general.architecture') + 12)),
    /unknown architecture 'mamba'.*qwen3/,
  ],
  ['an unknown quantisation', () => u32(ATTN_Q, 20, 39), /attn_q\.weight' has the type MXFP4.*q4_k/],
  ['4 billion dimensions', () => u32(ATTN_Q, 0, 2 ** 32 - 1), /attn_q\.weight' has 4294967295 dimensions/],
  ['a dimension of 2^63', () => u64(ATTN_Q, 4, 2n ** 63n), /attn_q\.weight' has the shape/],
  ['rows that are no whole blocks', () => u64(ATTN_Q, 4, 129n), /attn_q\.weight': rows of 129/],
  ['an offset beyond the file', () => u64(ATTN_Q, 24, 2n ** 40n), /attn_q\.weight': truncated/],
  ['tensors that overlap', () => u64(ATTN_Q, 24, 0n), /attn_q\.weight' overlaps another/],
  ['4 billion layers', () => u32('qwen3.block_count', 4, 2 ** 32 - 1), /qwen3\.block_count is 4294967295\. /],
  [
    'fewer layers than its tensors',
    () => u32('qwen3.block_count', 4, 3),
    /model\.layers\.3\.\S+" is no part of the model/,
  ],
  [
    'another width',
    () => u32('qwen3.embedding_length', 4, 256),
    /embed_tokens\.weight" has shape 4096×128; .* says 4096×256/,
  ],
  [
    'an end token outside the vocabulary',
    () => u32('tokenizer.ggml.eos_token_id', 4, 1e9),
    /\.gguf: .*eos_token_id is 1000000000/,
  ],
];

const field = (fields: Fields, message: RegExp): BadModel => [
  JSON.stringify(fields),
  () => withConfig(fields),
  message,
];
const CONFIGURATION: BadModel[] = [
  field({ num_hidden_layers: 1e9 }, /model\.layers\.6\.\S+" is missing/),
  field({ num_hidden_layers: 5 }, /model\.layers\.5\.\S+" is no part of the model/),
  field({ num_hidden_layers: -1 }, /model-\d+: .*"num_hidden_layers" is -1; it must be/),
  field({ num_hidden_layers: '6' }, /"num_hidden_layers" is "6"/),
  field({ hidden_size: 256 }, /embed_tokens\.weight" has shape 4096×128; .* says 4096×256\. .*belong together/),
  field({ num_attention_heads: 8 }, /q_proj\.weight" has shape 128×128; .* says 256×128/),
  field({ num_key_value_heads: 3 }, /"num_key_value_heads" is 3; it must be a divisor/),
  field({ head_dim: 0 }, /"head_dim" is 0/),
  field({ vocab_size: 2 ** 31 }, /"vocab_size" is 2147483648/),
  field({ vocab_size: 5000 }, /has shape 4096×128; .* says 5000×128/),
  field({ vocab_size: 100 }, /model-\d+: the tokenizer has ids up to 4095, .*only 100 rows/),
  field({ rope_theta: 0 }, /"rope_theta" is 0; it must be above 1/),
  field({ rope_scaling: { type: 'magic' } }, /rope_scaling type "magic".*Supported:/),
  field({ rope_scaling: { type: 'yarn', factor: 0 } }, /"rope_scaling\.factor" is 0/),
  field({ rms_norm_eps: -1 }, /"rms_norm_eps" is -1/),
  field({ hidden_act: 'gelu' }, /"hidden_act" is "gelu"; it must be "silu"/),
  field({ model_type: 'mamba' }, /architecture "mamba" is not supported\. .*qwen3/),
  field({ model_type: 'llama' }, /_norm\.weight" is no part of the model/),
  field(
    { model_type: 'qwen3_moe', num_experts: 4, num_experts_per_tok: 8, moe_intermediate_size: 8 },
    /"num_experts_per_tok" is 8; it must be at most num_experts \(4\)/,
  ),
  field({ quantization_config: { quant_method: 'gptq' } }, /quantised with gptq.*GGUF/),
  [
    'NaN in the JSON',
    () => rewritten('config.json', (text) => text.replace('10000.0', 'NaN')),
    /config\.json: no valid JSON/,
  ],
  [
    'no configuration',
    () => folder((path) => rmSync(join(path, 'config.json'))),
    /config\.json: no such file\. A model folder/,
  ],
];

interface TokenizerJson {
  model: { type: string; vocab: Record<string, number> };
  pre_tokenizer: Fields;
}
const tokenizer = (change: (json: TokenizerJson) => void): string =>
  rewritten('tokenizer.json', (text) => {
    const json: TokenizerJson = JSON.parse(text);
    change(json);
    return JSON.stringify(json);
  });
const template = (source: string): string => rewritten('chat_template.jinja', () => source);
const split = (Regex: string): Fields => ({
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex }, behavior: 'Isolated' },
    { type: 'ByteLevel', use_regex: false },
  ],
});
const ranks = (text: string): string =>
  folder((path) => {
    rmSync(join(path, 'tokenizer.json'));
    writeFileSync(join(path, 'qwen.tiktoken'), text);
  });
const TOKENIZER_AND_TEMPLATE: BadModel[] = [
  ['no tokenizer', () => folder((path) => rmSync(join(path, 'tokenizer.json'))), /no tokenizer\. Put tokenizer\.json/],
  [
    'a cut tokenizer',
    () => rewritten('tokenizer.json', (text) => text.slice(0, 50_000)),
    /tokenizer\.json: is not JSON/,
  ],
  [
    'a tokenizer that nests',
    () => rewritten('tokenizer.json', () => '['.repeat(1e6)),
    /tokenizer\.json: .*nests too deeply/,
  ],
  [
    'an id beyond the embedding',
    () =>
      tokenizer((json) => {
        json.model.vocab.zzzz = 4096;
      }),
    /ids up to 4096, .*only 4096 rows/,
  ],
  [
    'an absurd id',
    () =>
      tokenizer((json) => {
        json.model.vocab.a = 1e9;
      }),
    /token "a" has the impossible id 1000000000/,
  ],
  [
    'another kind of tokenizer',
    () =>
      tokenizer((json) => {
        json.model.type = 'WordPiece';
      }),
    /"WordPiece" is not supported/,
  ],
  [
    'a pattern that takes forever',
    () =>
      tokenizer((json) => {
        json.pre_tokenizer = split('(a+)+b');
      }),
    /repeated group/,
  ],
  [
    'bad lines of ranks',
    () => ranks('IQ== 0\nIg== 7\n'),
    /qwen\.tiktoken: line 2 is not a base64 token with the rank 1/,
  ],
  ['a rank of a megabyte', () => ranks(`${'QUFB'.repeat(3e5)} 0\n`), /line 1 has a token of 900000 bytes/],
  [
    'a template that does not parse',
    () => template('{% for x in %}'),
    /chat template .* does not parse.*ChatML is used/,
  ],
  ['a template without end', () => template('{% if a %}'), /chat template .* ends within a block/],
  [
    'a template that loops',
    () => template(`${'{% for a in range(99999) %}'.repeat(3)}${'{% endfor %}'.repeat(3)}`),
    /chat template .* too many steps/,
  ],
  [
    'a template that grows',
    () => template('{% set n = namespace(a=[1]) %}{% for i in range(64) %}{% set n.a = n.a + n.a %}{% endfor %}'),
    /chat template .* too long a value/,
  ],
];

describe.concurrent('a model is refused', () => {
  test.each(SAFETENSORS)('safetensors: %s', async (_, make, message) => expectRefusal(await run(make()), message));
  test.each(GGUF)('GGUF: %s', async (_, make, message) => expectRefusal(await run(make()), message));
  test.each(CONFIGURATION)('configuration: %s', async (_, make, message) => expectRefusal(await run(make()), message));
  test.each(TOKENIZER_AND_TEMPLATE)('text: %s', async (_, make, message) => expectRefusal(await run(make()), message));

  test('that does not fit into memory, before any is allocated', async () => {
    // Terabytes that take nothing on the disk: a header and a size.
    const [hidden, inner, layers] = [2 ** 14, 2 ** 15, 1000];
    const header: Header = {};
    let end = 0;
    const add = (name: string, ...shape: number[]): void => {
      const start = end;
      end += 2 * shape.reduce((product, size) => product * size, 1);
      header[name] = { dtype: 'BF16', shape, data_offsets: [start, end] };
    };
    add('model.embed_tokens.weight', 4096, hidden);
    for (let i = 0; i < layers; i++) {
      const layer = `model.layers.${i}`;
      for (const [name, rows] of Object.entries({ q: 128, k: 64, v: 64 })) {
        add(`${layer}.self_attn.${name}_proj.weight`, rows, hidden);
      }
      add(`${layer}.self_attn.o_proj.weight`, hidden, 128);
      for (const name of ['q', 'k']) add(`${layer}.self_attn.${name}_norm.weight`, 32);
      for (const name of ['gate', 'up']) add(`${layer}.mlp.${name}_proj.weight`, inner, hidden);
      add(`${layer}.mlp.down_proj.weight`, hidden, inner);
      for (const name of ['input', 'post_attention']) add(`${layer}.${name}_layernorm.weight`, hidden);
    }
    add('model.norm.weight', hidden);
    const path = withConfig({ hidden_size: hidden, intermediate_size: inner, num_hidden_layers: layers });
    writeSparse(join(path, 'model.safetensors'), header, end);
    expectRefusal(await run(path), /model-\d+ needs \d+\.\d GB of memory; \d+\.\d GB are available\. Close/);
  });

  test('that is an empty folder, a folder named like a file, another file, or a pipe', async () => {
    for (const name of ['empty', 'folder.gguf']) {
      await mkdir(join(scratch, name));
      expectRefusal(await run(name), /config\.json: no such file/);
    }
    expectRefusal(await run(MAIN), /main\.js: neither GGUF nor safetensors/);
    expectRefusal(await run('/dev/null'), /\/dev\/null: not a regular file/);
    const { code } = await execute('mkfifo', ['pipe.gguf']);
    if (code === 0) expectRefusal(await run('pipe.gguf'), /pipe\.gguf: not a regular file/);
  });
});

describe.concurrent('arguments are refused', () => {
  const text = 'word '.repeat(3000);
  /** [arguments, message, exit code]. */
  const cases: [args: string[], message: RegExp, code: number][] = [
    [['run', GLOSSARY, text], /needs 3010 tokens, the context holds 512\. Shorten/, 1],
    [['run', GLOSSARY, text, '--raw'], /has 3002 tokens, the context holds 512/, 1],
    [['run', GLOSSARY, 'hi', '--context', '513'], /513 tokens is more than the model's 512\. Use --context 512/, 2],
    [['run', GLOSSARY, 'hi', '--context', '1e9'], /--context.*'1e9' is invalid/, 2],
    [['run', GLOSSARY, 'hi', '--threads', '0'], /--threads.*from 1 to 256/, 2],
    [['run', GLOSSARY, 'hi', '--threads', '1e9'], /--threads.*from 1 to 256/, 2],
    [['run', '', 'hi'], /path of the model is empty/, 2],
    [['run', GLOSSARY], /The prompt is empty/, 2],
    [['logits', GLOSSARY, '--ids', '1,4096', '--out', 'x'], /Token id 4096 is outside the vocabulary of 4096/, 1],
    [['logits', GLOSSARY, '--ids', '5 '.repeat(600), '--out', 'x'], /600 ids do not fit the context of 512/, 1],
    [['logits', GLOSSARY, '--ids', '1', '--out', 'nowhere/x'], /nowhere: no such folder\. Make it first/, 1],
    [['logits', GLOSSARY, '--ids', '1', '--out', '.'], /\. is not a file/, 1],
    [['logits', GLOSSARY, '--ids', '1', '--out', ''], /The output has no name/, 2],
    [['logits', 'good.gguf', '--ids', '1', '--out', 'good.gguf'], /good\.gguf is the model that is read/, 1],
    [['perplexity', GLOSSARY, '--file', MAIN, '--length', '513'], /--length 513 is longer than the context of 512/, 2],
    [['perplexity', GLOSSARY, '--file', 'missing'], /missing: no such file/, 1],
    [['bench', GLOSSARY, '--prompt', '1000000000'], /do not fit the context of 512/, 2],
    [['convert', GLOSSARY, 'good.gguf'], /good\.gguf exists already\. .*--force/, 1],
    [['convert', 'good.gguf', 'good.gguf', '--force'], /good\.gguf is the model that is read/, 1],
    [['convert', GLOSSARY, 'nowhere/x.gguf'], /nowhere: no such folder/, 1],
    [['convert', GLOSSARY, '.', '--force'], /\. is no model that could be replaced/, 1],
    [['convert', GLOSSARY, '', '--force'], /The output has no name/, 2],
    [['tokenize', '/dev/null'], /\/dev\/null: not a regular file/, 1],
  ];
  test.each(cases)('%j', async (args, message, code) => expectRefusal(await kaiwen(...args), message, code));

  test('a port that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    expectRefusal(await kaiwen('serve', GLOSSARY, '--port', String(port)), /in use.*--port/);
    other.close();
  });
});

describe('a disk that refuses', () => {
  /** The shell's limit on the size of a file, in blocks of 512 or 1024 bytes, makes every disk small. */
  const limited = (command: string): Promise<Outcome> =>
    execute('sh', ['-c', `ulimit -f 200; exec "$0" "${MAIN}" ${command}`, process.execPath]);

  test.each([
    ['a GGUF file', `convert "${GLOSSARY}" full.gguf`],
    ['a folder', `convert "${GLOSSARY}" full`],
    ['logits', `logits "${GLOSSARY}" --ids ${Array(100).fill(5).join()} --out full.safetensors`],
  ])('leaves nothing of %s', async (_, command) => {
    expectRefusal(await limited(command), /full\S*: cannot be written/);
    expect(readdirSync(scratch).filter((name) => name.startsWith('full'))).toEqual([]);
  });

  test.skipIf(!existsSync('/dev/full'))('is named where the answer cannot be written', async () => {
    const outcome = await execute('sh', ['-c', `"$0" "${MAIN}" run "${GLOSSARY}" hi > /dev/full`, process.execPath]);
    expectRefusal(outcome, /Cannot write to standard output: ENOSPC/);
  });
});

test('Ctrl-C while converting leaves nothing and ends with 130', async () => {
  // Sparse, so that there is enough to convert until the signal comes.
  const path = withConfig({ vocab_size: 2 ** 22 });
  const header: Header = {
    'model.embed_tokens.weight': { dtype: 'BF16', shape: [2 ** 22, 128], data_offsets: [0, 2 ** 30] },
  };
  writeSparse(join(path, 'model.safetensors'), header, 2 ** 30);
  const child = spawn(process.execPath, [MAIN, 'convert', path, 'stopped.gguf', '--type', 'q4_0'], { cwd: scratch });
  const ended = new Promise((resolve) => child.on('close', (...ending) => resolve(ending)));
  const left = (): string[] => readdirSync(scratch).filter((name) => name.startsWith('stopped'));
  while (left().length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  child.kill('SIGINT');
  expect(await ended).toEqual([130, null]);
  expect(left()).toEqual([]);
});
