// spiffe-helper, the real program, on a pod's socket: it writes its files, runs the reload command at
// each rotation, and goes on after the server under it was killed. What it writes is what files mode
// gives the same pod by the names of spiffe-helper.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { decodeJwt } from 'jose';
import { DevProcess, podManifest, policyManifest } from '../../integration/dev/dev-process.ts';
import { until } from '../../integration/process-harness.ts';
import { built, run, versionOf } from './toolchain.ts';

const PROGRAM = 'github.com/spiffe/spiffe-helper/cmd/spiffe-helper';
const ID = 'spiffe://example.org/helper';
const BUILD_AND_RUN_MS = 900_000;
/** Of the library in it, which waits longer and longer while nobody listens. */
const PATIENCE_MS = 120_000;
const NAMES = [
  'jwt_bundle.json',
  'jwt_svid.token',
  'svid.pem',
  'svid_bundle.pem',
  'svid_key.pem',
] as const;

const go = versionOf('go', 'version');
const skip = go === undefined && process.env['CI'] !== 'true' ? 'needs go' : false;

suite('spiffe-helper', { skip, timeout: BUILD_AND_RUN_MS }, () => {
  const dev = new DevProcess({
    'policy.json': policyManifest('by-name', {
      spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Name }}',
      ttl: '30s',
    }),
    'helper.json': podManifest('helper', {
      annotations: {
        'signet.dev/files': 'true',
        'signet.dev/file-names': 'spiffe-helper',
        'signet.dev/jwt-audience': 'billing',
      },
    }),
  });
  const theirs = join(dev.root, 'certs');
  const reloads = join(dev.root, 'reloads');
  let helper: ChildProcess | undefined;
  let said = '';

  before(async () => {
    const folder = await built({
      name: 'spiffe-helper',
      files: ['go.mod', 'go.sum'].map((name) => join(import.meta.dirname, 'spiffe-helper', name)),
      version: go,
      build: (into) => {
        const args = ['build', '-p', '2', '-o', join(into, 'spiffe-helper'), PROGRAM];
        run('go', args, join(import.meta.dirname, 'spiffe-helper'));
      },
    });
    await dev.start(['--allow-keys-on-disk']);
    const { socket } = await dev.pod('shop/helper');
    mkdirSync(theirs);
    const config = join(dev.root, 'helper.conf');
    writeFileSync(config, configuration(socket));
    helper = spawn(join(folder, 'spiffe-helper'), ['-config', config], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [helper.stdout, helper.stderr]) {
      stream?.on('data', (bytes: Buffer) => {
        said = `${said}${bytes.toString()}`.slice(-4000);
      });
    }
  });
  after(async () => {
    if (helper?.exitCode === null) {
      const ended = once(helper, 'exit');
      helper.kill('SIGKILL');
      await ended;
    }
    await dev.close();
  });

  function configuration(socket: string): string {
    return `agent_address = ${JSON.stringify(socket)}
      cert_dir = ${JSON.stringify(theirs)}
      svid_file_name = "svid.pem"
      svid_key_file_name = "svid_key.pem"
      svid_bundle_file_name = "svid_bundle.pem"
      jwt_bundle_file_name = "jwt_bundle.json"
      jwt_svids = [{ jwt_audience = "billing", jwt_svid_file_name = "jwt_svid.token" }]
      cmd = "/bin/sh"
      cmd_args = ${JSON.stringify(`-c "echo reloaded >> ${reloads}"`)}
      renew_signal = "SIGHUP"
    `;
  }

  const read = (folder: string, name: string) => readFileSync(join(folder, name), 'utf8');
  const timesReloaded = () =>
    existsSync(reloads) ? read(dev.root, 'reloads').split('\n').length : 0;
  const serial = () => new X509Certificate(read(theirs, 'svid.pem')).serialNumber;

  async function expect(what: string, isSo: () => boolean): Promise<void> {
    // It writes in place: what is there at a moment may be half of a file.
    const holds = () => {
      try {
        return isSo();
      } catch {
        return false;
      }
    };
    await until(() => holds() || helper?.exitCode !== null, PATIENCE_MS).catch(() => {});
    assert.ok(holds(), `${what}; spiffe-helper said: ${said}`);
  }

  function ours(): string {
    const pods = join(dev.runDir, 'kubelet/pods');
    const [uid = ''] = readdirSync(pods);
    return join(pods, uid, 'volumes/kubernetes.io~empty-dir/signet-files');
  }

  test('it writes all of its files and runs the reload command', async () => {
    await expect('files', () => NAMES.every((name) => existsSync(join(theirs, name))));
    await expect('reload', () => timesReloaded() > 0);
    const leaf = new X509Certificate(read(theirs, 'svid.pem'));
    assert.equal(leaf.subjectAltName, `URI:${ID}`);
    assert.ok(leaf.checkPrivateKey(createPrivateKey(read(theirs, 'svid_key.pem'))));
    const { sub, aud } = decodeJwt(read(theirs, 'jwt_svid.token'));
    assert.deepEqual([sub, [aud].flat()], [ID, ['billing']]);
  });

  test('files mode has the same names with the same contents', async () => {
    const files = readdirSync(ours()).filter((name) => !name.startsWith('..'));
    assert.deepEqual(files.toSorted(), [...NAMES, 'crl.pem'].toSorted());
    // Both follow the same rotation, each at its own moment.
    const same = (name: string) => read(theirs, name) === read(ours(), name);
    await expect('the same certificates', () => same('svid.pem') && same('svid_bundle.pem'));
    const keyOf = (folder: string) => createPrivateKey(read(folder, 'svid_key.pem'));
    await expect('the same key', () => keyOf(theirs).equals(keyOf(ours())));
    await expect('the same JWT bundle', () => {
      const [bundle, own] = [theirs, ours()].map((folder) =>
        jwtKeys(read(folder, 'jwt_bundle.json')),
      );
      return JSON.stringify(bundle) === JSON.stringify(own);
    });
    const claims = (folder: string) => {
      const { sub, aud } = decodeJwt(read(folder, 'jwt_svid.token'));
      return [sub, [aud].flat()];
    };
    assert.deepEqual(claims(theirs), claims(ours()));
    for (const folder of [theirs, ours()]) {
      const mode = statSync(join(folder, 'svid_key.pem')).mode & 0o777;
      assert.equal(mode, 0o600, folder);
    }
  });

  test('WA-03: it follows a rotation, and tells by the reload command', async () => {
    const [before, reloaded] = [serial(), timesReloaded()];
    await expect('a new certificate', () => serial() !== before && timesReloaded() > reloaded);
  });

  test('WA-03: it goes on by itself when the server is killed and starts anew', async () => {
    await dev.end('SIGKILL');
    const [before, reloaded] = [serial(), timesReloaded()];
    await dev.start(['--allow-keys-on-disk']);
    await expect('a new certificate', () => serial() !== before && timesReloaded() > reloaded);
    const same = () => read(theirs, 'svid.pem') === read(ours(), 'svid.pem');
    await expect('the same certificate as files mode', same);
  });
});

/** `trust domain/key id` of each key, sorted. */
function jwtKeys(text: string): readonly string[] {
  const bundles = JSON.parse(text) as Readonly<Record<string, string>>;
  return Object.entries(bundles)
    .flatMap(([trustDomain, base64]) => {
      const set = JSON.parse(Buffer.from(base64, 'base64').toString()) as {
        readonly keys: readonly { readonly kid: string }[];
      };
      return set.keys.map(({ kid }) => `${trustDomain}/${kid}`);
    })
    .toSorted();
}
