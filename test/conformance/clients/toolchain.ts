// Other languages' clients, built by each language's ordinary tools, and kept.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { cached } from '../../cluster/lib/tool-cache.ts';

export type Build = {
  readonly name: string;
  /** What it is built from; with the version of what builds it, that tells one build from another. */
  readonly files: readonly string[];
  readonly version: string | undefined;
  /** Fills an empty folder; `scratch` goes away. The folder is moved afterwards. */
  readonly build: (into: string, scratch: string) => void;
};

/** The folder that a build fills; built once. */
export async function built({ name, files, version = '', build }: Build): Promise<string> {
  return await cached({
    name,
    files,
    from: [version],
    make: async (target, scratch) => {
      mkdirSync(target);
      build(target, scratch);
      await Promise.resolve();
    },
  });
}

/** Runs a tool; what it has to complain about goes to standard error. */
export function run(program: string, args: readonly string[], cwd: string): void {
  execFileSync(program, args, {
    cwd,
    env: { ...process.env, GOTOOLCHAIN: 'local', GOWORK: 'off' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** What a program says its version is; undefined where it is not there. */
export function versionOf(program: string, flag = '--version'): string | undefined {
  const { status, stdout, stderr } = spawnSync(program, [flag], { encoding: 'utf8' });
  return status === 0 ? `${stdout}${stderr}`.trim() : undefined;
}
