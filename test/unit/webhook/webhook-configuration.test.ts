// The objects that tell an API server when to ask, held against the decisions themselves: whoever
// would be injected is asked about, and nobody else waits for the webhook.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { mutatePod } from '../../../src/webhook/mutate-pod.ts';
import { type LabelRequirement, POD_CONDITIONS } from '../../../src/webhook/opt-in-entries.ts';
import { admissionRoutes } from '../../../src/webhook/server/admission-routes.ts';
import {
  all,
  find,
  mutating,
  options,
  type Selector,
  validating,
} from './configuration-fixtures.ts';
import { makePod, makeRequest, settings } from './pod-fixtures.ts';
import { makeContext } from './server/review-fixtures.ts';

suite('every entry', () => {
  test('is in an object of the right kind and version', () => {
    for (const { apiVersion, metadata } of [mutating, validating]) {
      assert.equal(apiVersion, 'admissionregistration.k8s.io/v1');
      assert.equal(metadata.name, 'signet');
    }
    assert.equal(mutating.kind, 'MutatingWebhookConfiguration');
    assert.equal(validating.kind, 'ValidatingWebhookConfiguration');
  });

  test('has a name of its own, of three parts', () => {
    const names = all.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const name of names) assert.match(name, /^[a-z0-9-]+(\.[a-z0-9-]+){2,}$/);
  });

  test('points at a path that the server has, with the authorities in base64', () => {
    const paths = new Set(admissionRoutes(makeContext()).map(({ path }) => path));
    for (const { clientConfig } of all) {
      const { path, ...service } = clientConfig.service;
      assert.ok(paths.has(path), path);
      assert.deepEqual(service, options.service);
      assert.equal(Buffer.from(clientConfig.caBundle, 'base64').toString(), options.caBundle);
    }
  });

  test('cannot hold an API server up for long, has no side effects, and matches equivalents', () => {
    for (const each of all) {
      const { admissionReviewVersions, matchPolicy, sideEffects, timeoutSeconds } = each;
      const fixed = { admissionReviewVersions, matchPolicy, sideEffects, timeoutSeconds };
      assert.deepEqual(fixed, {
        admissionReviewVersions: ['v1'],
        matchPolicy: 'Equivalent',
        sideEffects: 'None',
        timeoutSeconds: 5,
      });
    }
  });

  test('fails closed, but for what must not wait or is refused again by the node plugin', () => {
    const ignored = all.filter(({ failurePolicy }) => failurePolicy === 'Ignore');
    assert.deepEqual(
      ignored.map(({ name }) => name),
      [
        'identityrestriction.validate.signet.dev',
        'pod.validate.signet.dev',
        'ephemeral.validate.signet.dev',
      ],
    );
    assert.ok(all.every(({ failurePolicy }) => ['Fail', 'Ignore'].includes(failurePolicy)));
  });

  test('is called again after others only where it mutates', () => {
    for (const each of mutating.webhooks) assert.equal(each.reinvocationPolicy, 'IfNeeded');
    for (const each of validating.webhooks) assert.ok(!Object.hasOwn(each, 'reinvocationPolicy'));
  });
});

test('R11: upstream names, paths, kinds and operations', () => {
  const rule = (resource: string) => ({
    apiGroups: ['spire.spiffe.io'],
    apiVersions: ['v1alpha1'],
    resources: [resource],
    operations: ['CREATE', 'UPDATE'],
    scope: 'Cluster',
  });
  const policy = find('vclusterspiffeid.kb.io');
  assert.deepEqual(policy.rules, [rule('clusterspiffeids')]);
  assert.equal(
    policy.clientConfig.service.path,
    '/validate-spire-spiffe-io-v1alpha1-clusterspiffeid',
  );
  const federated = find('vclusterfederatedtrustdomain.kb.io');
  assert.deepEqual(federated.rules, [rule('clusterfederatedtrustdomains')]);
  assert.equal(
    federated.clientConfig.service.path,
    '/validate-spire-spiffe-io-v1alpha1-clusterfederatedtrustdomain',
  );
  assert.deepEqual([policy.failurePolicy, federated.failurePolicy], ['Fail', 'Fail']);
});

test('pods are asked about when they are made, debug containers when they are added', () => {
  const validatingPods = ['pod.validate.signet.dev', 'ephemeral.validate.signet.dev'].map(find);
  for (const each of [...mutating.webhooks, ...validatingPods]) {
    const [rule] = each.rules;
    const isEphemeral = each.name.startsWith('ephemeral.');
    assert.deepEqual(rule?.['operations'], [isEphemeral ? 'UPDATE' : 'CREATE']);
    assert.deepEqual(rule?.['resources'], [isEphemeral ? 'pods/ephemeralcontainers' : 'pods']);
  }
});

const OUTSIDE: LabelRequirement = {
  key: 'kubernetes.io/metadata.name',
  operator: 'NotIn',
  values: ['kube-system', 'signet-system'],
};

test('our own namespace and kube-system never wait for the webhook', () => {
  for (const each of [
    ...mutating.webhooks,
    find('pod.validate.signet.dev'),
    find('ephemeral.validate.signet.dev'),
  ]) {
    assert.deepEqual(each.namespaceSelector.matchExpressions?.[0], OUTSIDE, each.name);
  }
});

type Labels = Readonly<Record<string, string>>;

function fits({ matchExpressions = [] }: Selector, labels: Labels): boolean {
  return matchExpressions.every(({ key, operator, values }) => {
    const isIn = Object.hasOwn(labels, key) && values.includes(labels[key] ?? '');
    return operator === 'In' ? isIn : !isIn;
  });
}

suite('selectors and decisions agree', () => {
  const flag = fc.constantFrom(undefined, 'true', 'false', 'yes');
  const labels = (...keys: readonly string[]) =>
    fc
      .tuple(...keys.map((key) => flag.map((value) => [key, value] as const)))
      .map((pairs) => Object.fromEntries(pairs.filter(([, value]) => value !== undefined)))
      .map((made) => made as Labels);
  const cases = fc.record({
    pod: labels('signet.dev/inject', 'spiffe.io/spire-managed-identity'),
    namespace: labels('signet.dev/inject', 'spiffe.cofide.io/enabled'),
    modes: fc.constantFrom(undefined, 'csi', 'debug, helper', 'other', ''),
  });

  /** The names of the entries that ask; the annotation is the one thing selectors cannot see. */
  function asking(pod: Labels, namespace: Labels, modes: string | undefined): readonly string[] {
    const hasMode = ['csi', 'debug, helper'].includes(modes ?? '');
    return mutating.webhooks
      .filter(({ name }) => name !== 'ephemeral.inject.signet.dev')
      .filter(({ name }) => hasMode || !name.startsWith('cofide'))
      .filter((each) => fits(each.namespaceSelector, namespace) && fits(each.objectSelector, pod))
      .map(({ name }) => name);
  }

  test('a pod is asked about exactly when it opted in', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(cases, ({ pod, namespace, modes }) => {
        const annotations = modes === undefined ? {} : { 'spiffe.cofide.io/inject': modes };
        const request = makeRequest(makePod({ labels: pod, annotations }), {
          namespace: { name: 'agents', labels: namespace },
        });
        const names = asking(pod, namespace, modes);
        for (const name of names) seen.add(name);
        assert.equal(names.length > 0, mutatePod(request, settings).reason === 'Injected');
      }),
      { numRuns: 2000 },
    );
    assert.equal(seen.size, 4, 'the generator reaches each entry');
  });

  test('of the namespaces that are left out nothing is asked', () => {
    for (const name of ['kube-system', 'signet-system']) {
      const namespace = { 'kubernetes.io/metadata.name': name, 'signet.dev/inject': 'true' };
      assert.deepEqual(asking({ 'signet.dev/inject': 'true' }, namespace, 'csi'), []);
    }
  });

  test('debug containers are asked about by their own label', () => {
    const { objectSelector } = find('ephemeral.inject.signet.dev');
    assert.ok(fits(objectSelector, { 'signet.dev/inject-ephemeral': 'true' }));
    assert.ok(!fits(objectSelector, { 'signet.dev/inject': 'true' }));
  });
});

test('every pod that is never injected has its condition', () => {
  const text = POD_CONDITIONS.map(({ expression }) => expression).join('\n');
  for (const part of [
    '"kubernetes.io/config.mirror" in object.metadata.annotations',
    'object.spec.os.name == "windows"',
    'object.spec.nodeSelector["kubernetes.io/os"] == "windows"',
    'has(object.spec.hostNetwork) && object.spec.hostNetwork',
    '["system-node-critical", "system-cluster-critical"]',
  ]) {
    assert.ok(text.includes(part), part);
  }
  for (const { name, matchConditions = [] } of mutating.webhooks) {
    if (name === 'ephemeral.inject.signet.dev') continue;
    const names = matchConditions.map((each) => each.name);
    for (const condition of POD_CONDITIONS) assert.ok(names.includes(condition.name), name);
  }
});
