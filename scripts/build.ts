/**
 * Builds what is missing or older than its sources: the kernels (AssemblyScript, one WebAssembly
 * module for plain SIMD and one for relaxed SIMD), the TypeScript in src/ and the chat page in web/.
 *
 *   npm run build            build what changed
 *   npm run build -- --force build everything
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const force = process.argv.includes('--force');

const KERNELS = [
  { out: 'dist/kernels/plain.wasm', features: [] },
  { out: 'dist/kernels/relaxed.wasm', features: ['relaxed-simd'] },
];

function newest(folder: string): number {
  let time = 0;
  for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) time = Math.max(time, statSync(join(entry.parentPath, entry.name)).mtimeMs);
  }
  return time;
}

function modified(file: string): number {
  const path = join(root, file);
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function run(name: string, script: string, args: string[]): void {
  const result = spawnSync(process.execPath, [script, ...args], { cwd: root, encoding: 'utf8' });
  if (result.status === 0) return; // the compilers' remarks on success help nobody
  console.error(`${result.stdout}${result.stderr}build: ${name} failed`);
  process.exit(1);
}

function packageBin(name: string, bin: string): string {
  const manifest = require.resolve(`${name}/package.json`);
  return join(dirname(manifest), require(manifest).bin[bin]);
}

// The files that kernels and recorder share lie in src/.
const SHARED = [
  ...['opcodes.ts', 'native/kernels.ts', 'ops/kv-constants.ts', 'ops/layout-constants.ts'],
  'ops/attention-train-constants.ts',
];
const kernelSources = Math.max(
  newest('kernels'),
  ...SHARED.map((file) => modified(`src/tensor/${file}`)),
  modified('scripts/build.ts'),
);
for (const { out, features } of KERNELS) {
  if (!force && modified(out) > kernelSources) continue;
  console.error(`build: ${out}`);
  mkdirSync(dirname(join(root, out)), { recursive: true });
  run(out, packageBin('assemblyscript', 'asc'), [
    'kernels/index.ts',
    ...['--outFile', out, '--runtime', 'stub', '-O3', '--noAssert', '--converge'],
    // Below the tables of the module's own: the team's control block (kernels/team.ts).
    ...[
      '--memoryBase',
      '32768',
      '--importMemory',
      '--sharedMemory',
      '--initialMemory',
      '1',
      '--maximumMemory',
      '65536',
    ],
    ...['simd', 'threads', ...features].flatMap((feature) => ['--enable', feature]),
  ]);
}

const tsSources = Math.max(newest('src'), modified('tsconfig.json'));
if (force || modified('dist/.built') <= tsSources) {
  console.error('build: src');
  run('src', packageBin('typescript', 'tsc'), ['-p', 'tsconfig.json']);
  writeFileSync(join(root, 'dist/.built'), '');
}

const webSources = Math.max(newest('web'), modified('package-lock.json'), modified('scripts/build.ts'));
if (force || modified('dist/web/.built') <= webSources) {
  console.error('build: web');
  run('web', packageBin('vite', 'vite'), ['build', 'web', '--logLevel', 'warn']);
  for (const entry of readdirSync(join(root, 'dist/web'), { recursive: true, withFileTypes: true })) {
    if (!/\.(?:html|js|css)$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = readFileSync(path);
    writeFileSync(`${path}.br`, brotliCompressSync(bytes));
    writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
  }
  writeFileSync(join(root, 'dist/web/.built'), '');
}
