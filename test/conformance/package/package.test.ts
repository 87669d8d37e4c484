// The client package as it is published: packed, judged by what judges packages, compiled against with
// nothing skipped, and run by the oldest Node.js that it is for on a socket of dev mode.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';
import { buildClient } from '../../../scripts/build-client.ts';
import { DevProcess, podManifest, policyManifest } from '../../integration/dev/dev-process.ts';
import { installed } from '../npm/installed.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const ID = 'spiffe://example.org/agent';
const LIMIT_MS = 120_000;
const execute = promisify(execFile);

suite('the published package', { timeout: 600_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'signet-package-'));
  const packed = join(folder, 'packed.tgz');
  const application = join(folder, 'application');
  let tools = '';

  before(async () => {
    tools = join(await installed(import.meta.dirname, 'npm-package-tools'), 'node_modules');
    const built = join(folder, 'built');
    buildClient(built);
    const { stdout } = await run('npm', ['pack', '--silent', built], folder);
    await run('mv', [join(folder, stdout.trim()), packed], folder);
    // As an application would have it: what is in the archive, and beside it what it depends on.
    const own = join(application, 'node_modules/@signet/client');
    mkdirSync(own, { recursive: true });
    await run('tar', ['-xzf', packed, '-C', own, '--strip-components=1'], folder);
    const { dependencies } = manifest(own);
    for (const name of [...Object.keys(dependencies), '@types/node']) {
      const path = join(application, 'node_modules', name);
      mkdirSync(dirname(path), { recursive: true });
      symlinkSync(join(ROOT, 'node_modules', name), path);
    }
    writeFileSync(join(application, 'package.json'), '{"type":"module"}');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('its dependencies are those that it is developed with', () => {
    const own = manifest(join(application, 'node_modules/@signet/client'));
    const root = manifest(ROOT);
    for (const [name, version] of Object.entries(own.dependencies)) {
      assert.equal(version, root.dependencies[name], name);
    }
  });

  test('publint has nothing to say, suggestions included', async () => {
    const program = join(tools, 'publint/src/cli.js');
    const { stdout } = await run(process.execPath, [program, packed, '--strict'], folder);
    assert.match(stdout, /All good/);
  });

  test('its types resolve for whoever imports it as a module', async () => {
    const program = join(tools, '@arethetypeswrong/cli/dist/index.js');
    const args = [program, packed, '--profile', 'esm-only', '--format', 'json'];
    const { stdout } = await run(process.execPath, args, folder);
    const { analysis } = JSON.parse(stdout) as Verdict;
    assert.deepEqual(analysis.types, { kind: 'included' });
    // To `require` it is what Node.js 22 can do as well; older resolutions are not served.
    const kinds = analysis.problems.map(({ kind, resolutionKind }) => `${kind} ${resolutionKind}`);
    assert.deepEqual(
      kinds.filter((kind) => !/^(CJSResolvesToESM node16-cjs|NoResolution node10)$/.test(kind)),
      [],
    );
  });

  test('strict code compiles against its types, and those of libraries are not skipped', async () => {
    const path = join(application, 'strict.ts');
    writeFileSync(path, "import * as client from '@signet/client';\nexport const all = client;\n");
    const options = ['--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false'];
    const target = [
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--lib',
      'es2024,esnext.disposable',
    ];
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const args = [tsc, '--noEmit', ...options, ...target, '--types', 'node', path];
    await run(process.execPath, args, application);
  });

  test('Node.js 22 runs it on a socket of dev mode', async () => {
    const node = join(tools, `node-linux-${process.arch}/bin/node`);
    assert.ok(existsSync(node), node);
    const dev = new DevProcess({
      'policy.json': policyManifest('by-name', {
        spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Name }}',
      }),
      'agent.json': podManifest('agent'),
    });
    try {
      await dev.start();
      const { socket } = await dev.pod('shop/agent');
      const program = join(application, 'agent.js');
      copyFileSync(join(import.meta.dirname, 'node22-agent.js'), program);
      const env = { PATH: process.env['PATH'], SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` };
      const options = { cwd: application, env, timeout: LIMIT_MS };
      const { stdout } = await execute(node, [program], options);
      const { node: version, ...found } = JSON.parse(stdout) as Record<string, string>;
      assert.match(version ?? '', /^22\./);
      assert.deepEqual(found, {
        spiffeId: ID,
        told: ID,
        fetched: ID,
        local: ID,
        byServer: ID,
      });
    } finally {
      await dev.close();
    }
  });
});

type Verdict = {
  readonly analysis: {
    readonly types: unknown;
    readonly problems: readonly { readonly kind: string; readonly resolutionKind?: string }[];
  };
};

type Manifest = { readonly dependencies: Readonly<Record<string, string>> };

function manifest(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
}

/** Fails with what the program said. */
async function run(program: string, args: readonly string[], cwd: string) {
  try {
    return await execute(program, args, { cwd, timeout: LIMIT_MS });
  } catch (thrown) {
    const { stdout = '', stderr = '' } = thrown as { stdout?: string; stderr?: string };
    assert.fail(`${program} ${args.join(' ')}: ${String(thrown)}\n${stdout}${stderr}`);
  }
}
