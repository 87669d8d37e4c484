// What ships, built anew: which code each command's process loads, and that the program runs where
// there is nothing but its files.

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Metafile } from 'esbuild';
import { buildProgram } from '../../../scripts/build.ts';
import { loadedBy } from './bundle-contents.ts';

const ENTRY_OPTIONS = ['--disable-sigusr1', '--disable-proto=throw', '--no-addons'];

type Contents = {
  readonly command: string;
  /** Starts of paths, one of which must be there: else the test looks at nothing. */
  readonly has: readonly string[];
  readonly hasNot: readonly string[];
};

const CONTENTS: readonly Contents[] = [
  {
    command: 'src/main.ts',
    has: ['src/base/', 'src/cli/start-checks.ts', 'node_modules/pino/'],
    hasNot: ['src/spiffe/', 'src/transport/', 'src/node/', 'src/dev/', 'node_modules/@grpc/'],
  },
  {
    command: 'src/cli/node.ts',
    has: ['src/node/main.ts', 'src/spiffe/', 'node_modules/@grpc/grpc-js/'],
    hasNot: [
      'node_modules/yaml/',
      'node_modules/re2js/',
      'node_modules/@peculiar/',
      'node_modules/reflect-metadata/',
      'node_modules/@kubernetes/',
      'node_modules/fastify/',
      'src/template/',
      'src/crds/',
      'src/identity/',
      'src/issuer/',
      'src/webhook/',
      'src/dev/',
    ],
  },
  {
    command: 'src/cli/issuer.ts',
    has: ['src/issuer/main.ts', 'src/kube/', 'src/identity/', 'node_modules/@grpc/grpc-js/'],
    hasNot: [
      'node_modules/yaml/',
      'node_modules/@kubernetes/',
      'node_modules/fastify/',
      'src/kube/kubeconfig/',
      'src/node/',
      'src/webhook/',
      'src/dev/',
    ],
  },
  {
    command: 'src/cli/authority.ts',
    has: ['src/issuer/authority/', 'src/kube/', 'node_modules/@peculiar/'],
    hasNot: [
      'node_modules/@grpc/',
      'node_modules/@kubernetes/',
      'node_modules/fastify/',
      'src/identity/',
      'src/issuer/signing/',
      'src/node/',
      'src/webhook/',
      'src/dev/',
    ],
  },
  {
    command: 'src/cli/controller.ts',
    has: ['src/controller/main.ts', 'src/webhook/', 'src/kube/', 'node_modules/fastify/'],
    hasNot: [
      'node_modules/yaml/',
      'node_modules/@kubernetes/',
      'node_modules/@peculiar/',
      'node_modules/@grpc/',
      'src/issuer/',
      'src/node/',
      'src/dev/',
      'src/spiffe/authority/x509-authority.ts',
      'src/spiffe/x509-svid/x509-svid-issuer.ts',
      'src/spiffe/jwt-svid/jwt-svid-signing.ts',
    ],
  },
  {
    command: 'src/cli/render.ts',
    has: ['src/identity/', 'node_modules/yaml/', 'node_modules/re2js/'],
    hasNot: ['src/issuer/', 'src/node/', 'node_modules/@peculiar/', 'node_modules/@grpc/'],
  },
  {
    command: 'src/cli/explain.ts',
    has: ['src/identity/', 'node_modules/yaml/'],
    hasNot: ['src/node/main.ts', 'node_modules/@peculiar/', 'node_modules/@grpc/'],
  },
  {
    command: 'src/cli/access.ts',
    has: ['src/access/', 'node_modules/yaml/'],
    hasNot: ['src/kube/', 'src/identity/', 'src/issuer/', 'src/node/', 'node_modules/@peculiar/'],
  },
  {
    command: 'src/cli/audit.ts',
    has: ['src/audit/', 'src/kube/', 'node_modules/yaml/'],
    hasNot: [
      'src/issuer/',
      'src/identity/',
      'src/node/',
      'src/dev/',
      'node_modules/@peculiar/',
      'node_modules/@grpc/',
    ],
  },
  {
    command: 'src/cli/check.ts',
    has: ['src/kube/kubeconfig/', 'src/crds/', 'node_modules/yaml/'],
    hasNot: [
      'src/issuer/',
      'src/node/',
      'src/dev/',
      'node_modules/@peculiar/',
      'node_modules/@grpc/',
      'node_modules/re2js/',
    ],
  },
  {
    command: 'src/cli/revoke.ts',
    has: ['src/kube/kubeconfig/', 'src/identity/', 'node_modules/yaml/'],
    hasNot: [
      'src/issuer/main.ts',
      'src/node/main.ts',
      'node_modules/@peculiar/',
      'node_modules/@grpc/',
    ],
  },
  {
    command: 'src/cli/bundle.ts',
    has: ['src/federation/federated-bundle.ts', 'src/kube/kubeconfig/', 'node_modules/yaml/'],
    hasNot: [
      'src/issuer/main.ts',
      'src/federation/federation.ts',
      'src/node/',
      'src/dev/',
      'node_modules/@peculiar/',
      'node_modules/@grpc/',
      'node_modules/fastify/',
      'node_modules/re2js/',
    ],
  },
  {
    command: 'src/cli/svid.ts',
    has: ['src/transport/grpc/', 'src/spiffe/', 'node_modules/yaml/'],
    hasNot: [
      'client/',
      'src/kube/',
      'src/identity/',
      'src/issuer/',
      'src/node/',
      'src/dev/',
      'node_modules/@peculiar/',
    ],
  },
  {
    command: 'src/cli/oidc.ts',
    has: ['src/kube/kubeconfig/', 'src/cli/oidc/export.ts', 'node_modules/yaml/'],
    hasNot: [
      'src/identity/',
      'src/node/',
      'src/dev/',
      'src/issuer/signing/',
      'node_modules/@grpc/',
      'node_modules/@peculiar/',
      'node_modules/fastify/',
    ],
  },
  {
    command: 'src/cli/jwt.ts',
    has: ['src/transport/grpc/', 'src/cli/jwt/', 'node_modules/yaml/'],
    hasNot: [
      'client/',
      'src/kube/',
      'src/identity/',
      'src/issuer/',
      'src/controller/',
      'src/node/',
      'src/dev/',
      'node_modules/@peculiar/',
      'node_modules/fastify/',
    ],
  },
  {
    command: 'src/cli/dev.ts',
    has: ['src/node/main.ts', 'src/issuer/', 'node_modules/@peculiar/', 'node_modules/yaml/'],
    hasNot: ['client/', 'test/', 'src/cli/node.ts', 'node_modules/@kubernetes/'],
  },
];

let directory: string;
let metafile: Metafile;
before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'signet-build-'));
  metafile = await buildProgram(directory);
});
after(() => rmSync(directory, { recursive: true }));

for (const { command, has, hasNot } of CONTENTS) {
  test(`${command}: what its process loads`, () => {
    const sources = [...loadedBy(metafile, command)];
    for (const start of has) {
      assert.ok(
        sources.some((source) => source.startsWith(start)),
        `lacks ${start}`,
      );
    }
    assert.deepEqual(
      sources.filter((source) => hasNot.some((start) => source.startsWith(start))),
      [],
    );
  });
}

test('every command is in the table', () => {
  const entries = Object.values(metafile.outputs).flatMap(({ entryPoint }) => entryPoint ?? []);
  assert.deepEqual(entries.toSorted(), CONTENTS.map(({ command }) => command).toSorted());
});

test('every file has a source map', () => {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const programs = files.filter((name) => name.endsWith('.mjs'));
  assert.ok(programs.length > 3);
  for (const name of programs) assert.ok(files.includes(`${name}.map`), name);
  assert.ok(statSync(join(directory, 'signet.mjs')).size < 10_000, 'the entry holds no command');
});

test('the program and each command run from the files alone', async () => {
  const help = await run('--help');
  assert.equal(help.code, 0, help.err);
  assert.match(help.out, /^usage: signet COMMAND/);
  for (const { command } of CONTENTS.slice(1)) {
    const name = command.replace(/^src\/cli\/(.*)\.ts$/, '$1');
    const { code, out, err } = await run(name, '--help');
    assert.equal(code, 0, err);
    assert.match(out, new RegExp(`^usage: signet ${name}`));
    assert.equal(err, '');
  }
});

test('kubectl finds the program as its plugin, through a link, with flags behind the verb', () => {
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  symlinkSync(join(directory, 'kubectl-spiffe'), join(bin, 'kubectl-spiffe'));
  const env = { PATH: `${bin}:${dirname(process.execPath)}:/usr/bin:/bin` };
  const options = { cwd: bin, env, encoding: 'utf8' } as const;
  const help = spawnSync('kubectl-spiffe', ['explain', '--help'], options);
  assert.equal(help.status, 0, help.stderr);
  assert.match(help.stdout, /^usage: signet explain pod\/NAME/);
  const failed = spawnSync('kubectl-spiffe', ['explain', 'pod/a b', '--dir', '/nowhere'], options);
  assert.equal(failed.status, 2);
});

async function run(...args: readonly string[]) {
  return await new Promise<{ code: unknown; out: string; err: string }>((resolve) => {
    execFile(
      process.execPath,
      [...ENTRY_OPTIONS, join(directory, 'signet.mjs'), ...args],
      { cwd: directory, env: {} },
      (error, out, err) => resolve({ code: error?.code ?? 0, out, err }),
    );
  });
}
