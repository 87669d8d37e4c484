// Clients of others from the npm registry, as their lock file has them; installed once, without scripts.

import { copyFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { built, run, versionOf } from '../clients/toolchain.ts';

const FILES = ['package.json', 'package-lock.json'].map((name) => join(import.meta.dirname, name));

/** The folder with their `node_modules`. */
export async function installed(): Promise<string> {
  return await built({
    name: 'npm-clients',
    files: FILES,
    version: versionOf('npm'),
    build: (into) => {
      for (const file of FILES) copyFileSync(file, join(into, basename(file)));
      run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], into);
    },
  });
}

/** The module that a package resolves to for `require`; what CommonJS exports is its `default`. */
export async function importInstalled(name: string): Promise<Record<string, unknown>> {
  const require = createRequire(join(await installed(), 'package.json'));
  return (await import(pathToFileURL(require.resolve(name)).href)) as Record<string, unknown>;
}
