// Bundles on a pod's socket, from the issuer's word to what a client reads.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestAuthority } from '../../fakes/test-authority.ts';
import { Messages, NOW } from './node-harness.ts';
import { node, pod, useNode } from './workload-fixtures.ts';

useNode();

test('WA-22, WA-28, WA-29: a new bundle is pushed to all three kinds of stream, own domain under its SPIFFE ID', async () => {
  const { workload } = await pod(['/a']);
  const svids = new Messages(workload.fetchX509SVID({}, node.call));
  const x509 = new Messages(workload.fetchX509Bundles({}, node.call));
  const jwt = new Messages(workload.fetchJWTBundles({}, node.call));
  await svids.next();
  const own = 'spiffe://example.org';
  assert.deepEqual(Object.keys((await x509.next()).bundles), [own], 'WA-22');
  const jwks: unknown = JSON.parse(Buffer.from((await jwt.next()).bundles[own] ?? []).toString());
  assert.deepEqual(
    (jwks as { keys: { use: string }[] }).keys.map((key) => key.use),
    ['jwt-svid'],
    'WA-29',
  );
  const old = Buffer.from(node.issuer.authority.root);
  const next = await TestAuthority.create('example.org', NOW);
  node.issuer.push({
    case: 'bundles',
    value: { own: { ...next.bundle, sequence: 2n, x509Authorities: [old, next.root] } },
  });
  const both = Buffer.concat([old, next.root]);
  assert.deepEqual(Buffer.from((await svids.next()).svids[0]?.bundle ?? []), both);
  assert.deepEqual(Buffer.from((await x509.next()).bundles[own] ?? []), both);
  await jwt.next();
});

test('a bundle of a lower sequence, of another trust domain, or one that does not parse changes nothing', async () => {
  const { workload } = await pod(['/a']);
  const stream = new Messages(workload.fetchX509Bundles({}, node.call));
  const own = 'spiffe://example.org';
  const [authority, other] = [
    node.issuer.authority,
    await TestAuthority.create('example.org', NOW),
  ];
  await stream.next();
  const forged = await TestAuthority.create('evil.test', NOW);
  node.issuer.push({ case: 'bundles', value: { own: { ...forged.bundle, sequence: 9n } } });
  node.issuer.push({ case: 'bundles', value: { own: { ...other.bundle, sequence: 0n } } });
  node.issuer.push({
    case: 'bundles',
    value: { own: { ...other.bundle, sequence: 9n, x509Authorities: [Buffer.from('junk')] } },
  });
  node.issuer.push({
    case: 'bundles',
    value: { own: { ...other.bundle, sequence: 9n, x509Authorities: [] } },
  });
  node.issuer.push({
    case: 'bundles',
    value: {
      own: { ...authority.bundle, sequence: 10n, x509Authorities: [authority.root, other.root] },
    },
  });
  const { bundles } = await stream.next();
  assert.deepEqual(Buffer.from(bundles[own] ?? []), Buffer.concat([authority.root, other.root]));
});

test('federated bundles go to the pods that federate; an unusable one is left out alone', async () => {
  const federated = await TestAuthority.create('partner.test', NOW);
  const broken = {
    ...federated.bundle,
    trustDomain: 'broken.test',
    jwtAuthorities: Buffer.from('{'),
  };
  node.issuer.federated = [federated.bundle, broken];
  node.issuer.pushBundles();
  const entry = { federatesWith: ['partner.test', 'broken.test', 'unheard.test'] };
  const { workload } = await pod(['/a'], { entry });
  const { workload: alone } = await pod(['/b']);
  const message = await new Messages(workload.fetchX509SVID({}, node.call)).next();
  assert.deepEqual(Object.keys(message.federatedBundles), ['spiffe://partner.test']);
  const other = await new Messages(alone.fetchX509SVID({}, node.call)).next();
  assert.deepEqual(Object.keys(other.federatedBundles), []);
});
