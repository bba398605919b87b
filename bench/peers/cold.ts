/**
 * The time from starting a process to the first token on its standard output, with the file in the page cache:
 * `kaiwen run`, and the shortest script that does the same with node-llama-cpp.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { watch } from './child.js';
import { KAIWEN } from './models.js';
import type { Entry } from './peer.js';

const PROMPT = 'Name three rivers.';
const CONTEXT = 8192;

const LLAMA = `
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
process.execArgv.length = 0; // node-llama-cpp starts a process to test its binary, which must not inherit --eval
const [file, threads] = process.argv.slice(1);
const llama = await getLlama({
  build: 'never', skipDownload: true, gpu: false, maxThreads: Number(threads),
  progressLogs: false, logLevel: LlamaLogLevel.error,
});
const model = await llama.loadModel({ modelPath: file });
const context = await model.createContext({ contextSize: ${CONTEXT}, threads: Number(threads) });
const tokens = model.tokenize(${JSON.stringify(PROMPT)});
for await (const token of context.getSequence().evaluate(tokens, { temperature: 0 })) {
  process.stdout.write(JSON.stringify(token) + '\\n');
  break;
}
process.exit();
`;

/** Milliseconds. */
export async function coldStart({ name, engine, env }: Entry, file: string, threads: number): Promise<number> {
  const kaiwen = [KAIWEN, 'run', file, PROMPT, '--raw', '--greedy', '--json', '--max-tokens', '1'];
  kaiwen.push('--context', String(CONTEXT), '--threads', String(threads));
  const llama = ['--input-type=module', '--eval', LLAMA, '--', file, String(threads)];
  const start = performance.now();
  const child = watch(
    spawn(process.execPath, engine === 'kaiwen' ? kaiwen : llama, {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  let ms: number | undefined;
  child.stdout.on('data', () => {
    ms ??= performance.now() - start;
  });
  await once(child, 'close');
  if (ms === undefined) throw new Error(`${name} ended with ${child.exitCode} before its first token.`);
  return ms;
}
