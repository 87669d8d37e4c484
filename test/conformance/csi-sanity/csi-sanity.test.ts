// The node plugin under csi-sanity, the conformance suite of the Container Storage Interface. The
// plugin is the real one in a process of its own; csi-sanity is built by the Go client.

import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';
import { endProcess, runPluginProcess } from '../../integration/node/run-plugin-process.ts';

type Result = { readonly name: string; readonly state: string; readonly message: string };

const hasGo = spawnSync('go', ['version']).status === 0;
const skip = hasGo || process.env['CI'] === 'true' ? false : 'needs go';
const BUILD_AND_RUN_MS = 300_000;

/** What a driver without staging, volume statistics, expansion or multi-writer volumes does run. */
const RUN: readonly string[] = [
  'Node Service NodeGetCapabilities should return appropriate capabilities',
  'Node Service NodeGetInfo should return appropriate values',
  'Node Service NodePublishVolume should fail when no target path is provided',
  'Node Service NodePublishVolume should fail when no volume capability is provided',
  'Node Service NodePublishVolume should fail when no volume id is provided',
  'Node Service NodeUnpublishVolume should fail when no target path is provided',
  'Node Service NodeUnpublishVolume should fail when no volume id is provided',
  'Node Service NodeUnpublishVolume should remove target path',
  'Node Service should be idempotent',
  'Node Service should work',
];

suite('csi-sanity', { skip, timeout: BUILD_AND_RUN_MS }, () => {
  let root = '';
  let results: readonly Result[] = [];

  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'signet-sanity-'));
    mkdirSync(join(root, 'pods'));
    const program = join(root, 'csi-sanity');
    const env = { ...process.env, GOTOOLCHAIN: 'local', GOWORK: 'off' };
    execFileSync('go', ['build', '-o', program, '.'], { cwd: import.meta.dirname, env });
    // Nobody is there to ask for identities: volumes must be served all the same.
    const issuer = `unix:${join(root, 'nobody.sock')}`;
    const plugin = await runPluginProcess({ kubeletRoot: root, issuer, publishWaitMs: 0 });
    try {
      const socket = join(root, 'plugins/signet.dev/csi.spiffe.io/csi.sock');
      results = await run(program, [root, socket]);
    } finally {
      await endProcess(plugin, 'SIGTERM');
    }
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  const namesOf = (state: string, prefix: string) =>
    results
      .filter((result) => result.state === state && result.name.startsWith(prefix))
      .map(({ name }) => name.replace(/ \[.*\]$/, ''))
      .toSorted();

  test('SA-01 to SA-09: nothing fails', () => {
    // Tests of the controller would test the one that is played.
    const ours = results.filter(({ name }) => /^(?:Identity|Node) Service/.test(name));
    assert.ok(ours.length > RUN.length);
    const failed = ours.filter(({ state }) => !['passed', 'skipped'].includes(state));
    assert.deepEqual(failed, []);
  });

  test('SA-01: every test of the identity service runs', () => {
    assert.equal(namesOf('passed', 'Identity Service').length, 3);
    assert.deepEqual(namesOf('skipped', 'Identity Service'), []);
  });

  test('SA-02 to SA-06: what a node-only driver can run, runs', () => {
    assert.deepEqual(namesOf('passed', 'Node Service'), RUN);
  });

  test('SA-07, SA-08: only what the driver does not offer is left out', () => {
    const offered = /NodeStage|NodeUnstage|NodeGetVolumeStats|NodeExpand|multi writer/;
    assert.deepEqual(
      namesOf('skipped', 'Node Service').filter((name) => !offered.test(name)),
      [],
    );
  });

  test('CS-13: no test left anything in the kubelet’s tree', () => {
    const pods = readdirSync(join(root, 'pods'));
    assert.ok(pods.length > 10);
    for (const pod of pods) {
      assert.deepEqual(readdirSync(join(root, 'pods', pod, 'volumes/kubernetes.io~csi')), [], pod);
    }
    assert.deepEqual(readdirSync(join(root, 'plugins/signet.dev/csi.spiffe.io/volumes')), []);
  });
});

async function run(program: string, args: readonly string[]): Promise<readonly Result[]> {
  const options = { maxBuffer: 64 * 1024 * 1024 };
  // A failed test makes it exit with 1; its output says which.
  const { stdout } = await promisify(execFile)(program, args, options).catch(
    (thrown: { stdout: string }) => thrown,
  );
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('RESULT '))
    .map((line) => JSON.parse(line.slice('RESULT '.length)) as Result);
}
