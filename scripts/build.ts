// Builds what ships: dist/signet.mjs, one chunk for each command and one for what they share, so
// that a process never loads another command's code; and what starts it by name.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');

/** Packages in CommonJS ask for Node's modules by `require`, which a module does not have. */
const REQUIRE = [
  "import { createRequire as signetCreateRequire } from 'node:module';",
  'const require = signetCreateRequire(import.meta.url);',
].join('');

/**
 * Starts the program from wherever a link to it is, as `signet`, and by kubectl as `kubectl spiffe`.
 */
const LAUNCHER = `#!/bin/sh
here=$(dirname -- "$(readlink -f -- "$0")") || exit 1
exec node --disable-sigusr1 --disable-proto=throw --no-addons "$here/signet.mjs" "$@"
`;
const LAUNCHERS = ['signet', 'kubectl-spiffe'];

/** Writes the program into a directory; returns which source went into which file. */
export async function buildProgram(directory: string): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [{ in: 'src/main.ts', out: 'signet' }],
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    conditions: ['source'],
    minify: true,
    // Names of classes and functions appear in logs and stacks.
    keepNames: true,
    sourcemap: true,
    sourcesContent: false,
    legalComments: 'linked',
    banner: { js: REQUIRE },
    metafile: true,
    logLevel: 'warning',
  });
  for (const name of LAUNCHERS) writeFileSync(join(directory, name), LAUNCHER, { mode: 0o755 });
  return metafile;
}

if (import.meta.main) {
  const directory = join(ROOT, 'dist');
  const metafile = await buildProgram(directory);
  writeFileSync(join(directory, 'metafile.json'), JSON.stringify(metafile));
}
