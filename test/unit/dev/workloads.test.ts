// The pods of workloads, names and UIDs that last, and the trust domain of a directory.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { ManifestObject } from '../../../src/dev/read-manifests.ts';
import { devTrustDomain } from '../../../src/dev/trust-domain.ts';
import { podsOf, uidOf } from '../../../src/dev/workloads.ts';

const workload = (kind: string, name: string, spec: Record<string, unknown>): ManifestObject => ({
  apiVersion: 'apps/v1',
  kind,
  namespace: 'shop',
  name,
  object: { spec } as ManifestObject['object'],
  source: 'f.yaml',
});
const template = { metadata: { labels: { app: 'x' } }, spec: { containers: [] } };
const namesOf = (each: ManifestObject) => podsOf(each).map(({ name }) => name);

test('UIDs have the form of a UUID, the same for the same object, another for another', () => {
  const seen = new Map<string, string>();
  const text = fc.string({ maxLength: 20 });
  fc.assert(
    fc.property(text, text, text, (kind, namespace, name) => {
      const uid = uidOf(kind, namespace, name);
      assert.match(uid, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      const key = JSON.stringify([kind, namespace, name]);
      assert.equal(seen.get(uid) ?? key, key);
      seen.set(uid, key);
      assert.equal(uidOf(kind, namespace, name), uid);
    }),
    { numRuns: 300 },
  );
});

test('names of replicas are DNS names, different, and the same at the next look', () => {
  for (const kind of ['Deployment', 'StatefulSet', 'Job']) {
    const many = workload(kind, 'web', { replicas: 250, completions: 250, template });
    const names = namesOf(many);
    assert.equal(new Set(names).size, 250, kind);
    assert.deepEqual(namesOf(many), names);
    for (const name of names) assert.match(name, /^web-[a-z0-9]+(-[a-z0-9]+)?$/);
  }
});

test('replicas carry the labels of their controller beside their own', () => {
  const labels = (kind: string) => {
    const pod = podsOf(workload(kind, 'web', { template }))[0] ?? assert.fail();
    return (pod.object['metadata'] as { labels: Record<string, string> }).labels;
  };
  const { app, 'pod-template-hash': hash } = labels('Deployment');
  assert.equal(app, 'x');
  assert.match(hash ?? '', /^[a-z0-9]{10}$/);
  assert.equal(labels('StatefulSet')['apps.kubernetes.io/pod-index'], '0');
  assert.equal(labels('StatefulSet')['statefulset.kubernetes.io/pod-name'], 'web-0');
  assert.equal(labels('Job')['batch.kubernetes.io/job-name'], 'web');
});

test('a workload without a pod spec is refused by name', () => {
  assert.throws(() => podsOf(workload('Deployment', 'web', {})), {
    code: 'invalid-argument',
    message: 'f.yaml: Deployment web: spec.template.spec is missing',
  });
});

const policy = (spiffeIDTemplate: unknown): ManifestObject => ({
  ...workload('ClusterSPIFFEID', 'p', {}),
  object: { spec: { spiffeIDTemplate } } as ManifestObject['object'],
});
const TRUST_DOMAINS: readonly (readonly [string, readonly unknown[], string])[] = [
  ['nothing', [], 'dev.invalid'],
  ['no literal', ['spiffe://{{ .TrustDomain }}/a'], 'dev.invalid'],
  ['one literal', ['spiffe://a.test/x', 'spiffe://a.test/y'], 'a.test'],
  ['one literal beside a field', ['spiffe://a.test/x', 'spiffe://{{ .TrustDomain }}/y'], 'a.test'],
  ['two literals', ['spiffe://a.test/x', 'spiffe://b.test/y'], 'dev.invalid'],
  ['half a literal', ['spiffe://a.{{ .ClusterName }}/x'], 'dev.invalid'],
  ['not a text', [7, null], 'dev.invalid'],
];
for (const [what, templates, expected] of TRUST_DOMAINS) {
  test(`the trust domain of templates with ${what} is ${expected}`, () => {
    assert.equal(devTrustDomain(undefined, templates.map(policy)), expected);
  });
}

test('the trust domain that is given is taken, when it is one', () => {
  assert.equal(devTrustDomain('c.test', [policy('spiffe://a.test/x')]), 'c.test');
  assert.throws(() => devTrustDomain('C.test', []), { code: 'invalid-argument' });
});
