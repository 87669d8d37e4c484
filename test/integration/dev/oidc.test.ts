// A dev run that serves OpenID Connect documents: a pod's token, from its socket, is verified by a
// library that knows nothing of SPIFFE.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { after, test } from 'node:test';
import { discover, verifyByDiscovery } from '../../fakes/oidc-verifier.ts';
import { DevProcess, podManifest, policyManifest } from './dev-process.ts';

const dev = new DevProcess({
  'policy.json': policyManifest('agents', {
    spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Namespace }}',
    jwtClaimTemplates: { agent_owner: 'team-traffic' },
  }),
  'pod.json': podManifest('agent'),
});
after(async () => await dev.close());

/** One that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

test('a token of the socket is good for whoever finds the keys over TLS', async () => {
  const port = await freePort();
  await dev.start(['--oidc-listen', `localhost:${port}`]);
  const { text } = await dev.line(/^OIDC issuer /);
  const [, issuer = '', path = ''] = /^OIDC issuer (\S+), authorities (\S+)$/.exec(text) ?? [];
  assert.equal(issuer, `https://localhost:${port}`);
  const { socket } = await dev.pod('shop/agent');
  const { svids } = await dev
    .workload(socket)
    .fetchJWTSVID({ audience: ['https://api.example.com'] }, dev.call);
  const options = { issuer, port, ca: readFileSync(path, 'utf8') };
  const { payload } = await verifyByDiscovery(
    svids[0]?.svid ?? '',
    'https://api.example.com',
    options,
  );
  assert.deepEqual(
    [payload.iss, payload.sub, payload['agent_owner'], payload.jti],
    [issuer, 'spiffe://example.org/shop', 'team-traffic', undefined],
  );
  const keys = (await discover(options)).jwks_uri;
  assert.equal(keys, `${issuer}/keys`);
});
