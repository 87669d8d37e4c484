// Builds the client package as it is published, in dist/client: ECMAScript modules and their types by
// the compiler alone, file by file, so that what runs can be read. `npm publish dist/client` publishes it.

import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const ENTRY = 'client/src/index';

/** Writes the package into a directory, in place of what was there. */
export function buildClient(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const library = join(directory, 'lib');
  const config = join(directory, 'tsconfig.json');
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: {
        noEmit: false,
        declaration: true,
        rewriteRelativeImportExtensions: true,
        rootDir: ROOT,
        outDir: library,
        typeRoots: [join(ROOT, 'node_modules/@types')],
      },
      include: [],
      files: [join(ROOT, `${ENTRY}.ts`)],
    }),
  );
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', config], { stdio: 'inherit' });
  rmSync(config);
  nameModulesInTypes(library);
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(published(), null, 2)}\n`);
  copyFileSync(join(ROOT, 'client/README.md'), join(directory, 'README.md'));
  cpSync(join(ROOT, 'client/examples'), join(directory, 'examples'), { recursive: true });
  copyFileSync(join(ROOT, 'LICENSE'), join(directory, 'LICENSE'));
}

/** The compiler leaves the names of sources in types, which are not published. */
function nameModulesInTypes(library: string): void {
  for (const name of readdirSync(library, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.d.ts')) continue;
    const path = join(library, name);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replaceAll(/((?:from |import\()'\.[^']*)\.ts'/g, "$1.js'"));
  }
}

/** The manifest of the workspace, for what is there after publishing. */
function published(): object {
  const text = readFileSync(join(ROOT, 'client/package.json'), 'utf8');
  const manifest = JSON.parse(text) as Readonly<Record<string, unknown>>;
  return {
    ...manifest,
    exports: {
      '.': { types: `./lib/${ENTRY}.d.ts`, default: `./lib/${ENTRY}.js` },
      './package.json': './package.json',
    },
    files: ['lib', 'examples'],
    sideEffects: false,
  };
}

if (import.meta.main) buildClient(join(ROOT, 'dist/client'));
