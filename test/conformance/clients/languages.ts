// The clients of the matrix, one a language. A new one is a program that does what peer.ts says, and an
// entry here.

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { built, run, versionOf } from './toolchain.ts';

export type Language = {
  readonly name: string;
  /** What it needs and is not here; undefined when all is. */
  readonly missing: () => string | undefined;
  /** Builds it, if it was not; returns the command without the address. */
  readonly prepare: () => Promise<readonly string[]>;
};

const here = (...path: readonly string[]) => join(import.meta.dirname, ...path);

function needs(...programs: readonly (readonly [string, string?])[]): () => string | undefined {
  return () => programs.find(([program, flag]) => versionOf(program, flag) === undefined)?.[0];
}

/** The crate's own minimum; Debian 12 has an older one. */
const OLDEST_CARGO = [1, 88] as const;

function needsCargo(): string | undefined {
  const [, major = '0', minor = '0'] = /^cargo (\d+)\.(\d+)/.exec(versionOf('cargo') ?? '') ?? [];
  const [oldestMajor, oldestMinor] = OLDEST_CARGO;
  const isThere =
    Number(major) > oldestMajor || (Number(major) === oldestMajor && Number(minor) >= oldestMinor);
  return isThere ? undefined : `cargo ${OLDEST_CARGO.join('.')}`;
}

export const LANGUAGES: readonly Language[] = [
  {
    name: 'node',
    missing: () => undefined,
    prepare: async () =>
      await Promise.resolve([process.execPath, '--conditions=source', here('node/peer.ts')]),
  },
  {
    name: 'go',
    missing: needs(['go', 'version']),
    prepare: async () => {
      const folder = await built({
        name: 'go-peer',
        files: [here('go/main.go'), here('go/go.mod'), here('go/go.sum')],
        version: versionOf('go', 'version'),
        build: (into) => {
          run('go', ['build', '-o', join(into, 'peer'), '.'], here('go'));
        },
      });
      return [join(folder, 'peer')];
    },
  },
  {
    name: 'python',
    missing: needs(['python3']),
    prepare: async () => {
      // Packages by path, because a virtual environment cannot be moved.
      const folder = await built({
        name: 'python-peer',
        files: [here('python/requirements.txt')],
        version: versionOf('python3'),
        build: (into) => {
          const args = ['-m', 'pip', 'install', '--quiet', '--target', into];
          run('python3', [...args, '-r', 'requirements.txt'], here('python'));
        },
      });
      return ['env', `PYTHONPATH=${folder}`, 'python3', '-B', here('python/peer.py')];
    },
  },
  {
    name: 'rust',
    missing: needsCargo,
    prepare: async () => {
      const folder = await built({
        name: 'rust-peer',
        files: [here('rust/main.rs'), here('rust/Cargo.toml'), here('rust/Cargo.lock')],
        version: versionOf('rustc'),
        build: (into, scratch) => {
          const args = ['build', '--quiet', '--locked', '--jobs', '2', '--target-dir', scratch];
          run('cargo', args, here('rust'));
          copyFileSync(join(scratch, 'debug/peer'), join(into, 'peer'));
        },
      });
      return [join(folder, 'peer')];
    },
  },
  {
    name: 'java',
    missing: needs(['javac'], ['mvn']),
    prepare: async () => {
      const folder = await built({
        name: 'java-peer',
        files: [here('java/Peer.java'), here('java/pom.xml')],
        version: versionOf('javac'),
        build: (into) => {
          copyFileSync(here('java/pom.xml'), join(into, 'pom.xml'));
          const goal = ['dependency:copy-dependencies', '-DoutputDirectory=lib'];
          run('mvn', ['--quiet', '--batch-mode', ...goal], into);
          run('javac', ['-cp', 'lib/*', '-d', '.', here('java/Peer.java')], into);
        },
      });
      const jvm = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto', '-Xmx128m'];
      return ['java', ...jvm, '-cp', `${folder}:${folder}/lib/*`, 'Peer'];
    },
  },
];
