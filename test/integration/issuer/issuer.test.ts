import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { validateJwtSvid } from '../../../src/spiffe/jwt-svid/jwt-svid.ts';
import { validateX509Svid } from '../../../src/spiffe/x509-svid/x509-svid.ts';
import { X509TrustAnchors } from '../../../src/spiffe/x509-svid/x509-trust-anchors.ts';
import { entry, NODE, pod } from '../../unit/issuer/fixtures.ts';
import {
  acknowledged,
  authorization,
  client,
  dial,
  directory,
  hello,
  issuer,
  item,
  pods,
  useIssuer,
  watch,
} from './issuer-fixtures.ts';

useIssuer();

test('an X.509-SVID comes back over TLS and is valid against the bundle', async () => {
  const { results } = await client.signX509Svids({ items: [item()] }, { metadata: authorization });
  const result = results[0]?.result;
  assert.ok(result?.case === 'issued');
  const { bundle } = issuer.authorities.value ?? assert.fail();
  const anchors = new X509TrustAnchors(bundle.x509Authorities);
  const svid = validateX509Svid(result.value.chain, {
    authoritiesOf: () => anchors,
    now: Date.now(),
  });
  assert.equal(svid.spiffeId, entry().spiffeId);
  const serial = Buffer.from(svid.certificate.serialNumber).toString('hex');
  assert.deepEqual(
    issuer.heldBy(({ podUid }) => podUid === 'pod-uid').map((held) => held.serial),
    [serial],
  );
});

test('a JWT-SVID comes back over TLS and is valid against the bundle', async () => {
  const { results } = await client.signJwtSvids(
    {
      podUid: 'pod-uid',
      items: [{ entryId: 'policy-uid', expectedSpiffeId: entry().spiffeId }],
      audience: ['https://api.example'],
    },
    { metadata: authorization },
  );
  const result = results[0]?.result;
  assert.ok(result?.case === 'issued');
  const { bundle } = issuer.authorities.value ?? assert.fail();
  const svid = validateJwtSvid(result.value.token, {
    audience: 'https://api.example',
    authoritiesOf: () => bundle.jwtAuthorities,
    now: Date.now(),
  });
  assert.equal(svid.spiffeId, entry().spiffeId);
});

test('a Watch gets bundles, each pod, Synced, and then every change', async () => {
  pods.set(pod({ uid: 'no-volume', volumes: [] }));
  pods.set(pod({ uid: 'elsewhere', node: 'node-2' }));
  const { next, end } = watch(hello);
  const bundles = await next();
  assert.ok(bundles.case === 'bundles');
  assert.equal(bundles.value.own?.x509Authorities.length, 2, 'active and standby root');
  const first = await next();
  assert.ok(first.case === 'podIdentities');
  assert.equal(first.value.entries[0]?.spiffeId, entry().spiffeId);
  assert.equal((await next()).case, 'synced');
  pods.set(pod({ uid: 'elsewhere', node: 'node-2', name: 'changed' }));
  pods.set(pod({ entries: [], refusal: 'Suspended' }));
  const suspended = await next();
  assert.ok(suspended.case === 'podIdentities');
  assert.equal(suspended.value.refusal, 'Suspended');
  assert.ok(suspended.value.version > first.value.version);
  pods.delete('pod-uid');
  const gone = await next();
  assert.ok(gone.case === 'podGone');
  assert.ok(gone.value.version > suspended.value.version);
  end();
});

test('what a node acknowledges is known, for its own pods only', async () => {
  pods.set(pod({ uid: 'elsewhere', node: 'node-2' }));
  const { next, report, end } = watch(hello);
  for (let message = await next(); message.case !== 'synced'; message = await next());
  assert.equal(issuer.hasAcknowledged(NODE, 'pod-uid', 1n), false);
  report({ report: { case: 'acknowledged', value: { podUid: 'elsewhere', version: 1n } } });
  report({ report: { case: 'acknowledged', value: { podUid: 'pod-uid', version: 9n } } });
  await acknowledged(9n);
  assert.equal(issuer.hasAcknowledged(NODE, 'elsewhere', 1n), false);
  end();
});

test('a published pod gets a whole hour, one that has not started ten minutes', async () => {
  const { next, report, end } = watch(hello);
  for (let message = await next(); message.case !== 'synced'; message = await next());
  const lifeSeconds = async () => {
    const { results } = await client.signX509Svids(
      { items: [item()] },
      { metadata: authorization },
    );
    const result = results[0]?.result;
    assert.ok(result?.case === 'issued');
    return Number(result.value.notAfter - result.value.notBefore);
  };
  assert.equal(await lifeSeconds(), 60 + 600);
  report({ report: { case: 'published', value: { podUid: 'pod-uid' } } });
  report({ report: { case: 'acknowledged', value: { podUid: 'pod-uid', version: 2n } } });
  await acknowledged(2n);
  assert.equal(await lifeSeconds(), 60 + 3600);
  end();
});

test('a call without the token, or with another, is Unauthenticated', async () => {
  for (const metadata of [{}, { authorization: 'Bearer x' }, { authorization: 'x' }]) {
    await assert.rejects(client.signX509Svids({ items: [item()] }, { metadata }), {
      code: 'unauthenticated',
    });
  }
});

test('a Watch that does not begin with hello, or says hello twice, ends', async () => {
  const silent = watch({ report: { case: 'published', value: { podUid: 'pod-uid' } } });
  await assert.rejects(silent.next(), { code: 'invalid-argument' });
  const twice = watch(hello, hello);
  await assert.rejects(
    async () => {
      for (let count = 0; count < 5; count += 1) await twice.next();
    },
    { code: 'invalid-argument' },
  );
});

test('TB-03: a node that has seen a newer bundle is not signed for, others are', async () => {
  const ahead = watch({ report: { case: 'hello', value: { bundleSequence: 1n << 40n } } });
  await assert.rejects(ahead.next(), { code: 'unavailable' });
  await assert.rejects(client.signX509Svids({ items: [item()] }, { metadata: authorization }), {
    code: 'unavailable',
  });
  const { next, end } = watch(hello);
  await next();
  await client.signX509Svids({ items: [item()] }, { metadata: authorization });
  end();
});

test('a node that has seen newer restrictions is told to come back', async () => {
  const ahead = watch({ report: { case: 'hello', value: { restrictionVersion: 5n } } });
  await assert.rejects(ahead.next(), { code: 'unavailable' });
});

test('more than 256 items are refused whole', async () => {
  const items = Array.from({ length: 257 }, () => item());
  await assert.rejects(client.signX509Svids({ items }, { metadata: authorization }), {
    code: 'invalid-argument',
  });
});

test('a client that expects another endpoint does not talk to the issuer', async () => {
  const stranger = dial(join(directory, 'issuer.sock'), 'spiffe://example.org/ns/x/sa/y');
  await assert.rejects(
    stranger.signX509Svids({ items: [item()] }, { metadata: authorization, timeoutMs: 2000 }),
    { code: 'unavailable' },
  );
  stranger.close();
});
