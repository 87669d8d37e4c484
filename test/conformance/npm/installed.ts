// Packages of others from the npm registry, as a lock file has them; installed once, without scripts.

import { copyFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { built, run, versionOf } from '../clients/toolchain.ts';

/** The folder with the `node_modules` of a manifest and its lock file; those of this folder if unsaid. */
export async function installed(
  manifests = import.meta.dirname,
  name = 'npm-clients',
): Promise<string> {
  const files = ['package.json', 'package-lock.json'].map((file) => join(manifests, file));
  return await built({
    name,
    files,
    version: versionOf('npm'),
    build: (into) => {
      for (const file of files) copyFileSync(file, join(into, basename(file)));
      run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], into);
    },
  });
}

/** The module that a package resolves to for `require`; what CommonJS exports is its `default`. */
export async function importInstalled(name: string): Promise<Record<string, unknown>> {
  const require = createRequire(join(await installed(), 'package.json'));
  return (await import(pathToFileURL(require.resolve(name)).href)) as Record<string, unknown>;
}
