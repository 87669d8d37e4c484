// Every path of the webhook, and what it decides.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { JsonObject } from '../../../../src/template/json-value.ts';
import { applyPatch, type JsonPatchOperation } from '../../../../src/webhook/json-patch.ts';
import {
  MUTATE_PODS_PATH,
  VALIDATE_CLUSTER_SPIFFE_ID_PATH,
  VALIDATE_FEDERATED_TRUST_DOMAIN_PATH,
  VALIDATE_KINDS_PATH,
  VALIDATE_PODS_PATH,
} from '../../../../src/webhook/server/admission-paths.ts';
import {
  ACCEPTED,
  makeFederated,
  makePolicy,
  makeRestriction,
} from '../../crds/manifest-fixtures.ts';
import { driverVolume, makePod } from '../pod-fixtures.ts';
import {
  makeContext,
  makeReview,
  podRequest,
  policyRequest,
  responseOf,
  textOf,
} from './review-fixtures.ts';
import { LABELLED, PLURALS, send } from './route-fixtures.ts';

async function ask(path: string, request: JsonObject, context = makeContext()) {
  const answer = await send({ path, body: makeReview(request) }, context);
  assert.equal(answer.status, 200, answer.body);
  const response = responseOf(answer.body);
  assert.equal(response['uid'], podRequest.uid);
  return response;
}

function patchOf(response: JsonObject): readonly JsonPatchOperation[] {
  const text = Buffer.from(textOf(response, 'patch'), 'base64').toString();
  return text === '' ? [] : (JSON.parse(text) as readonly JsonPatchOperation[]);
}

const unlabelled = makePod({ labels: {} });

suite(MUTATE_PODS_PATH, () => {
  test('gives a pod that asks its volume, and counts it', async () => {
    const context = makeContext();
    const response = await ask(MUTATE_PODS_PATH, podRequest, context);
    const patched = applyPatch(podRequest.object, patchOf(response)) as { spec: JsonObject };
    assert.deepEqual(patched.spec['volumes'], [driverVolume]);
    assert.deepEqual(context.counts.list(), [
      { path: MUTATE_PODS_PATH, outcome: 'patched', count: 1 },
    ]);
  });

  test('gives it to a pod whose namespace asks', async () => {
    const request = { ...podRequest, object: unlabelled };
    const asking = await ask(MUTATE_PODS_PATH, request, makeContext({ agents: LABELLED }));
    assert.notDeepEqual(patchOf(asking), []);
    assert.deepEqual(patchOf(await ask(MUTATE_PODS_PATH, request)), []);
  });

  test('does the same in a dry run', async () => {
    const dry = await ask(MUTATE_PODS_PATH, { ...podRequest, dryRun: true });
    assert.deepEqual(dry, await ask(MUTATE_PODS_PATH, podRequest));
  });

  test('mounts the volume into new ephemeral containers', async () => {
    const labels = { 'signet.dev/inject-ephemeral': 'true' };
    const stored = makePod({ labels, spec: { volumes: [driverVolume] } });
    const changed = makePod({
      labels,
      spec: { volumes: [driverVolume], ephemeralContainers: [{ name: 'debug' }] },
    });
    const response = await ask(MUTATE_PODS_PATH, {
      ...podRequest,
      operation: 'UPDATE',
      subResource: 'ephemeralcontainers',
      object: changed,
      oldObject: stored,
    });
    const paths = patchOf(response).map(({ path }) => path);
    assert.ok(paths.includes('/spec/ephemeralContainers/0/volumeMounts'), paths.join());
  });

  test('lets a pod through with a warning when it has not the shape of one', async () => {
    const response = await ask(MUTATE_PODS_PATH, { ...podRequest, object: { spec: {} } });
    assert.equal(response['allowed'], true);
    assert.deepEqual(response['warnings'], ['metadata: missing']);
  });
});

suite('a namespace that is not known', () => {
  const unknown = makeContext({});

  test('does not matter to a pod that asks, or opts out, itself', async () => {
    assert.notDeepEqual(patchOf(await ask(MUTATE_PODS_PATH, podRequest, unknown)), []);
    const object = makePod({ labels: { 'signet.dev/inject': 'false' } });
    const response = await ask(MUTATE_PODS_PATH, { ...podRequest, object }, unknown);
    assert.equal(response['allowed'], true);
  });

  test('makes a pod that may have opted in by it wait', async () => {
    const response = await ask(MUTATE_PODS_PATH, { ...podRequest, object: unlabelled }, unknown);
    assert.equal(response['allowed'], false);
    assert.deepEqual(response['status'], {
      code: 503,
      message: 'namespace agents: its labels are not known yet, try again',
    });
  });

  test('does not matter where nothing is ever injected', async () => {
    for (const namespace of ['kube-system', 'signet-system']) {
      const request = { ...podRequest, namespace, object: unlabelled };
      assert.equal((await ask(MUTATE_PODS_PATH, request, unknown))['allowed'], true);
    }
    const object = makePod({ labels: {}, spec: { hostNetwork: true } });
    const response = await ask(MUTATE_PODS_PATH, { ...podRequest, object }, unknown);
    assert.equal(response['allowed'], true);
  });

  test('does not matter to validation', async () => {
    assert.equal((await ask(VALIDATE_PODS_PATH, podRequest, unknown))['allowed'], true);
  });
});

test(`${VALIDATE_PODS_PATH} names what is wrong with a volume, and patches nothing`, async () => {
  const csi = { driver: 'csi.spiffe.io' };
  const object = makePod({ spec: { volumes: [{ name: 'a', csi }] } });
  const context = makeContext();
  const response = await ask(VALIDATE_PODS_PATH, { ...podRequest, object }, context);
  assert.deepEqual(response, {
    uid: podRequest.uid,
    allowed: false,
    status: { code: 403, message: 'spec.volumes[0].csi.readOnly: must be true' },
  });
  assert.deepEqual(context.counts.list(), [
    { path: VALIDATE_PODS_PATH, outcome: 'refused', count: 1 },
  ]);
});

function kindRequest(object: JsonObject): JsonObject {
  const kind = textOf(object, 'kind');
  const [group = '', version = ''] = textOf(object, 'apiVersion').split('/');
  return {
    uid: podRequest.uid,
    operation: 'CREATE',
    kind: { group, version, kind },
    resource: { group, version, resource: PLURALS.get(kind) ?? '' },
    object,
  };
}

suite('our kinds', () => {
  for (const [name, object] of ACCEPTED) {
    test(`accepted: ${name}`, async () => {
      assert.equal((await ask(VALIDATE_KINDS_PATH, kindRequest(object)))['allowed'], true);
    });
  }

  const broken = kindRequest(makePolicy({ spiffeIDTemplate: '{{ .Nope' }));

  test('R11: the paths of SPIRE Controller Manager answer for their kinds', async () => {
    const policy = await ask(VALIDATE_CLUSTER_SPIFFE_ID_PATH, broken);
    assert.equal(policy['allowed'], false);
    assert.deepEqual(policy, await ask(VALIDATE_KINDS_PATH, broken));
    const federated = kindRequest(makeFederated({ trustDomain: 'Not A Domain' }));
    assert.equal((await ask(VALIDATE_FEDERATED_TRUST_DOMAIN_PATH, federated))['allowed'], false);
  });

  test('a deletion is never refused', async () => {
    const request = { ...broken, operation: 'DELETE', object: null };
    assert.equal((await ask(VALIDATE_CLUSTER_SPIFFE_ID_PATH, request))['allowed'], true);
  });
});

suite('a request about something else is a 400', () => {
  const policy = kindRequest(makePolicy({}));
  const cases = [
    ['a policy where pods are decided', MUTATE_PODS_PATH, policy],
    ['a pod where kinds are', VALIDATE_KINDS_PATH, podRequest],
    ['a Pod of another group', MUTATE_PODS_PATH, { ...podRequest, kind: policyRequest.kind }],
    [
      'a restriction at a path of upstream',
      VALIDATE_CLUSTER_SPIFFE_ID_PATH,
      kindRequest(makeRestriction({})),
    ],
    ['a policy at the other path', VALIDATE_FEDERATED_TRUST_DOMAIN_PATH, policy],
    ['a status', VALIDATE_KINDS_PATH, { ...policy, subResource: 'status' }],
    [
      'another version',
      VALIDATE_KINDS_PATH,
      { ...policy, kind: { ...policyRequest.kind, version: 'v1' } },
    ],
    ['a uid in a list', MUTATE_PODS_PATH, { ...podRequest, uid: ['a'] }],
  ] as const;
  for (const [name, path, request] of cases) {
    test(name, async () => {
      const context = makeContext();
      const answer = await send({ path, body: makeReview(request) }, context);
      assert.equal(answer.status, 400);
      assert.deepEqual(context.counts.list(), [{ path, outcome: 'malformed', count: 1 }]);
    });
  }
});
