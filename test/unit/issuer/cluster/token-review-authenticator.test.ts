// Who is let in by a TokenReview, for how long, and what it costs the API server.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../../src/template/json-value.ts';
import {
  AUDIENCE,
  authenticator,
  kube,
  make,
  pluginPod,
  pods,
  reasonFor,
  token,
  useAuthenticator,
  vouched,
} from './token-review-fixtures.ts';

useAuthenticator();

const REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';
const MINUTE = 60_000;

const reviews = () => kube.api.requestsOf('POST', REVIEWS).length;

test('the token of a node plugin gives its node, until the token ends', async () => {
  const text = vouched();
  const decision = await authenticator.authenticate(text);
  assert.deepEqual(decision, {
    allowed: true,
    value: { node: 'node-1', credentialId: 'JTI=1', expiresAt: kube.clock.now() + 60 * MINUTE },
  });
});

test('T-04: the audience is always sent, and an answer without it is a refusal', async () => {
  await reasonFor(vouched());
  const [request] = kube.api.requestsOf('POST', REVIEWS);
  const { spec } = (request?.body ?? {}) as { spec?: JsonObject };
  assert.deepEqual(spec?.['audiences'], [AUDIENCE]);
  for (const audiences of [undefined, [], ['https://kubernetes.default.svc'], `${AUDIENCE}x`]) {
    assert.equal(await reasonFor(vouched({ status: { audiences } })), 'TokenAudience');
  }
});

test('garbage gets no review', async () => {
  const expired = token({ exp: Math.floor(kube.clock.now() / 1000) });
  const garbage: readonly [string, string][] = [
    ['', 'TokenMalformed'],
    ['a.b.c', 'TokenMalformed'],
    [`${token()}.x`, 'TokenMalformed'],
    [token({}, { alg: 'none' }), 'TokenMalformed'],
    [token({ exp: 'soon' }), 'TokenMalformed'],
    [token().replace(/\.[^.]*$/, '.'), 'TokenMalformed'],
    [expired, 'TokenExpired'],
    [token({ aud: ['https://kubernetes.default.svc'] }), 'TokenNotForUs'],
    [token({ aud: [] }), 'TokenNotForUs'],
    [token({ sub: 'system:serviceaccount:signet:default' }), 'TokenNotForUs'],
  ];
  for (const [text, reason] of garbage) assert.equal(await reasonFor(text), reason, text);
  assert.equal(reviews(), 0);
});

test('one review serves five minutes, callers at the same time share it', async () => {
  const text = vouched();
  await Promise.all([reasonFor(text), reasonFor(text), reasonFor(text)]);
  await kube.clock.advance(5 * MINUTE - 1);
  assert.equal(await reasonFor(text), 'allowed');
  assert.equal(reviews(), 1);
  await kube.clock.advance(1);
  assert.equal(await reasonFor(text), 'allowed');
  assert.equal(reviews(), 2);
});

test('what was known ends with the token', async () => {
  const text = vouched();
  await reasonFor(text);
  kube.clock.jump(60 * MINUTE);
  assert.equal(await reasonFor(text), 'TokenExpired');
});

test('what was known ends with the pod: its successor of the same name is another one', async () => {
  const text = vouched();
  assert.equal(await reasonFor(text), 'allowed');
  pods.clear();
  await assert.rejects(authenticator.authenticate(text), { reason: 'ViewBehind' });
  pods.set('pod-uid', pluginPod());
  kube.api.tokens.delete(text);
  assert.equal(await reasonFor(text), 'TokenInvalid');
  assert.equal(reviews(), 2);
});

test('a pod that is not in view yet is unavailable, not refused', async () => {
  pods.clear();
  const text = vouched();
  await assert.rejects(authenticator.authenticate(text), { code: 'unavailable' });
  pods.set('pod-uid', pluginPod());
  assert.equal(await reasonFor(text), 'allowed');
});

test('a refusal is remembered, for seconds', async () => {
  const text = token();
  assert.equal(await reasonFor(text), 'TokenInvalid');
  assert.equal(await reasonFor(text), 'TokenInvalid');
  assert.equal(reviews(), 1);
  await kube.clock.advance(10_000);
  await reasonFor(text);
  assert.equal(reviews(), 2);
});

test('no more than 50 reviews are under way', async () => {
  kube.api.faults.push({ on: ({ path }) => path === REVIEWS, act: 'stall' });
  const all = Array.from({ length: 60 }, () => authenticator.authenticate(token()));
  await kube.until(() => reviews() === 50);
  await new Promise<void>((resolve) => setImmediate(resolve));
  assert.equal(reviews(), 50);
  const ended = Promise.allSettled(all);
  kube.api.faults.length = 0;
  kube.client.close();
  await kube.api.stop();
  const results = await ended;
  assert.ok(results.every(({ status }) => status === 'rejected'));
  await kube.api.listen(0);
});

test('F-12: without an API server nobody new gets in; who was known does, if so configured', async () => {
  const text = vouched();
  await reasonFor(text);
  const lenient = make(15 * MINUTE);
  await lenient.authenticate(text);
  kube.api.faults.push({ on: () => true, act: { status: 503 } });
  await kube.clock.advance(6 * MINUTE);
  await assert.rejects(authenticator.authenticate(text), { code: 'unavailable' });
  await assert.rejects(lenient.authenticate(token()), { code: 'unavailable' });
  assert.equal((await lenient.authenticate(text)).allowed, true);
  pods.set('pod-uid', pluginPod({ status: { phase: 'Failed' } }));
  assert.equal((await lenient.authenticate(text)).allowed, false);
  pods.set('pod-uid', pluginPod());
  await kube.clock.advance(9 * MINUTE);
  await assert.rejects(lenient.authenticate(text), { code: 'unavailable' });
});

test('an API server that refuses the issuer is no refusal of the caller', async () => {
  kube.api.faults.push({ on: () => true, act: { status: 403 } });
  await assert.rejects(make(15 * MINUTE).authenticate(vouched()), { code: 'unavailable' });
});

test('no refusal shows the token', async () => {
  const text = token();
  const decision = await authenticator.authenticate(text);
  assert.ok(!JSON.stringify(decision).includes(text.slice(0, 20)));
  kube.api.faults.push({ on: () => true, act: 'drop' });
  await kube.clock.advance(20_000);
  await assert.rejects(authenticator.authenticate(text), (error: Error) => {
    return !`${error.stack}${String(error.cause)}`.includes(text.slice(0, 20));
  });
});
