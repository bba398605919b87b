/**
 * Installs the packages that Kaiwen is compared with (bench/peers/package.json) unless they are there. None of their
 * scripts runs: nothing is compiled, and nothing is downloaded but the packages themselves.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const stamp = `${folder}node_modules/.installed-lock.json`;
const lock = readFileSync(`${folder}package-lock.json`, 'utf8');

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  console.error('Installing node-llama-cpp and onnxruntime-node in bench/peers (about 400 MB) …');
  const npm = process.env.npm_execpath;
  const flags = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--silent'];
  const { status } = spawnSync(npm ? process.execPath : 'npm', npm ? [npm, ...flags] : flags, {
    cwd: folder,
    stdio: 'inherit',
    // Should scripts run after all: the accelerators' libraries are not wanted.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(stamp, lock);
}
