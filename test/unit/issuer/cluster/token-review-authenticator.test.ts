import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { type PodObject, readPod } from '../../../../src/identity/objects.ts';
import { TokenReviewAuthenticator } from '../../../../src/issuer/cluster/token-review-authenticator.ts';
import { reviewToken } from '../../../../src/kube/token-review.ts';
import type { JsonObject } from '../../../../src/template/json-value.ts';
import { KubeHarness } from '../../kube/kube-harness.ts';

const AUDIENCE = 'signet-issuer/example.org';
const SUBJECT = 'system:serviceaccount:signet:signet-node';
const REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';
const MINUTE = 60_000;

let kube: KubeHarness;
let pods: Map<string, PodObject>;
let authenticator: TokenReviewAuthenticator;

beforeEach(async () => {
  kube = await KubeHarness.start();
  pods = new Map([['pod-uid', pluginPod()]]);
  authenticator = make();
});
afterEach(async () => {
  await kube.stop();
});

function make(whileDownMs = 0): TokenReviewAuthenticator {
  return new TokenReviewAuthenticator({
    audience: AUDIENCE,
    place: { namespace: 'signet', serviceAccount: 'signet-node', daemonSet: 'signet-node' },
    review: async (token, audiences) => await reviewToken(kube.client, token, audiences),
    pod: (uid) => pods.get(uid),
    clock: kube.clock,
    whileDownMs,
  });
}

const OWNER = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  name: 'signet-node',
  uid: 'ds',
  controller: true,
};

function pluginPod(
  change: { metadata?: JsonObject; spec?: JsonObject; status?: JsonObject } = {},
): PodObject {
  return readPod({
    metadata: {
      name: 'signet-node-x',
      namespace: 'signet',
      uid: 'pod-uid',
      ownerReferences: [OWNER],
      ...change.metadata,
    },
    spec: { nodeName: 'node-1', serviceAccountName: 'signet-node', ...change.spec },
    status: { phase: 'Running', ...change.status },
  });
}

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

let serial = 0;
function token(claims: JsonObject = {}, header: JsonObject = { alg: 'RS256' }): string {
  const exp = Math.floor(kube.clock.now() / 1000) + 3600;
  const payload = { sub: SUBJECT, aud: [AUDIENCE], exp, jti: `${(serial += 1)}`, ...claims };
  return `${part(header)}.${part(payload)}.${'s'.repeat(40)}`;
}

/** A token that the API server vouches for, but for `change`. */
function vouched(change: { status?: JsonObject; user?: JsonObject; extra?: JsonObject } = {}) {
  const text = token();
  kube.api.tokens.set(text, {
    authenticated: true,
    audiences: [AUDIENCE],
    user: {
      username: SUBJECT,
      uid: 'sa',
      extra: {
        'authentication.kubernetes.io/pod-name': ['signet-node-x'],
        'authentication.kubernetes.io/pod-uid': ['pod-uid'],
        'authentication.kubernetes.io/node-name': ['node-1'],
        'authentication.kubernetes.io/credential-id': ['JTI=1'],
        ...change.extra,
      },
      ...change.user,
    },
    ...change.status,
  });
  return text;
}

const reviews = () => kube.api.requestsOf('POST', REVIEWS).length;

async function reasonFor(text: string): Promise<string> {
  const decision = await authenticator.authenticate(text);
  return decision.allowed ? 'allowed' : decision.reason;
}

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

const REFUSED: readonly [string, Parameters<typeof vouched>[0], string][] = [
  ['not authenticated', { status: { authenticated: false } }, 'TokenInvalid'],
  ['authenticated as text', { status: { authenticated: 'true' } }, 'TokenInvalid'],
  ['another account', { user: { username: `${SUBJECT}2` } }, 'NotNodePlugin'],
  [
    'another namespace',
    { user: { username: SUBJECT.replace(':signet:', ':x:') } },
    'NotNodePlugin',
  ],
  ...['pod-name', 'pod-uid', 'node-name'].flatMap((name) =>
    [undefined, [], [''], ['a', 'b'], 'node-1'].map(
      (value): [string, Parameters<typeof vouched>[0], string] => [
        `${name} ${JSON.stringify(value)}`,
        { extra: { [`authentication.kubernetes.io/${name}`]: value } },
        'TokenUnbound',
      ],
    ),
  ),
  [
    'T-03: another node',
    { extra: { 'authentication.kubernetes.io/node-name': ['node-2'] } },
    'CallerMismatch',
  ],
  [
    'another pod name',
    { extra: { 'authentication.kubernetes.io/pod-name': ['other'] } },
    'CallerMismatch',
  ],
];
for (const [what, change, reason] of REFUSED) {
  test(`a review that says ${what} is refused as ${reason}`, async () => {
    assert.equal(await reasonFor(vouched(change)), reason);
  });
}

const PODS: readonly [string, Parameters<typeof pluginPod>[0], string][] = [
  ['in another namespace', { metadata: { namespace: 'x' } }, 'NotNodePlugin'],
  ['of another account', { spec: { serviceAccountName: 'default' } }, 'NotNodePlugin'],
  ['without an owner', { metadata: { ownerReferences: [] } }, 'NotNodePlugin'],
  [
    'of another DaemonSet',
    { metadata: { ownerReferences: [{ ...OWNER, name: 'x' }] } },
    'NotNodePlugin',
  ],
  [
    'of a ReplicaSet',
    { metadata: { ownerReferences: [{ ...OWNER, kind: 'ReplicaSet' }] } },
    'NotNodePlugin',
  ],
  [
    'of a foreign DaemonSet',
    { metadata: { ownerReferences: [{ ...OWNER, apiVersion: 'x/v1' }] } },
    'NotNodePlugin',
  ],
  [
    'not controlled',
    { metadata: { ownerReferences: [{ ...OWNER, controller: false }] } },
    'NotNodePlugin',
  ],
  ['on another node', { spec: { nodeName: 'node-2' } }, 'CallerMismatch'],
  ['not scheduled', { spec: { nodeName: '' } }, 'CallerMismatch'],
  ['that failed', { status: { phase: 'Failed' } }, 'CallerOver'],
  ['that ended', { status: { phase: 'Succeeded' } }, 'CallerOver'],
];
for (const [what, change, reason] of PODS) {
  test(`T-03: a pod ${what} is refused as ${reason}, whatever its token says`, async () => {
    pods.set('pod-uid', pluginPod(change));
    assert.equal(await reasonFor(vouched()), reason);
  });
}

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
