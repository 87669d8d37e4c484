// The store of dev mode: what a set of manifests becomes, and what an edit changes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DevStore } from '../../../src/dev/dev-store.ts';
import { readManifests } from '../../../src/dev/read-manifests.ts';
import { uidOf } from '../../../src/dev/workloads.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../../../src/identity/settings.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';

const newStore = () =>
  new DevStore({
    identity: { ...DEFAULT_IDENTITY_SETTINGS, trustDomain: parseTrustDomain('a.test') },
    webhook: { driverName: 'csi.spiffe.io', ownNamespace: 'signet-system' },
  });

const onlyPod = (store: DevStore): JsonObject => [...store.objects('Pod')][0] ?? assert.fail();

type Metadata = Record<string, unknown>;
type Written = {
  readonly kind: string;
  readonly metadata: Metadata;
  readonly [key: string]: unknown;
};

const read = (...objects: readonly Written[]) =>
  readManifests(
    'f.json',
    JSON.stringify(objects.map((object) => ({ apiVersion: 'v1', ...object }))),
  ).objects;
const pod = (metadata: Metadata, spec: object = { containers: [] }): Written => ({
  kind: 'Pod',
  metadata: { namespace: 'shop', ...metadata },
  spec,
});
const policy = (spec: object): Written => ({
  apiVersion: 'spire.spiffe.io/v1alpha1',
  kind: 'ClusterSPIFFEID',
  metadata: { name: 'p' },
  spec,
});
const apply = (store: DevStore, ...objects: readonly Written[]) => store.apply(read(...objects));
const keys = ({ changes }: ReturnType<DevStore['apply']>) =>
  changes.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`);

test('what a pod needs and nobody wrote is there: namespace, node, phase, UID, times', () => {
  const store = newStore();
  const result = apply(store, pod({ name: 'a' }));
  assert.deepEqual(keys(result), ['Namespace /shop', 'Node /dev', 'Pod shop/a']);
  const [stored] = store.objects('Pod');
  const metadata = stored?.['metadata'] as Metadata;
  assert.equal(metadata['uid'], uidOf('Pod', 'shop', 'a'));
  assert.match(String(metadata['creationTimestamp']), /^2000-01-01T00:00:\d\dZ$/);
  assert.deepEqual(stored?.['status'], { phase: 'Running' });
  assert.deepEqual(stored?.['spec'], {
    containers: [],
    nodeName: 'dev',
    serviceAccountName: 'default',
  });
});

test('a UID that a manifest brings along is not kept', () => {
  const store = newStore();
  apply(store, pod({ name: 'a', uid: '../../..' }));
  assert.equal((onlyPod(store)['metadata'] as Metadata)['uid'], uidOf('Pod', 'shop', 'a'));
});

test('the same set again changes nothing and says nothing', () => {
  const store = newStore();
  const set = [pod({ name: 'a' }), policy({ spiffeIDTemplate: 'spiffe://{{ .Nope' })];
  assert.equal(apply(store, ...set).notices.length, 1);
  assert.deepEqual(apply(store, ...set), { changes: [], notices: [], warnings: [] });
});

test('an edit keeps UID and time of creation, and counts generations of what has them', () => {
  const store = newStore();
  const metadata = () => [...store.objects('ClusterSPIFFEID')][0]?.['metadata'] as Metadata;
  apply(store, policy({ spiffeIDTemplate: 'spiffe://a.test/1' }));
  const before = metadata();
  const { changes } = apply(
    store,
    pod({ name: 'first' }),
    policy({ spiffeIDTemplate: 'spiffe://a.test/2' }),
  );
  assert.ok(changes.some(({ kind }) => kind === 'ClusterSPIFFEID'));
  assert.equal(metadata()['uid'], before['uid']);
  assert.equal(metadata()['creationTimestamp'], before['creationTimestamp']);
  assert.deepEqual([before['generation'], metadata()['generation']], [1, 2]);
});

test('a refused edit leaves what was accepted, and is said once', () => {
  const store = newStore();
  apply(store, policy({ spiffeIDTemplate: 'spiffe://a.test/1' }));
  const { changes, notices } = apply(store, policy({ spiffeIDTemplate: 'spiffe://other.test/1' }));
  assert.deepEqual(changes, []);
  assert.match(notices[0] ?? '', /^f\.json: ClusterSPIFFEID p: refused: spec\.spiffeIDTemplate: /);
  const [stored] = store.objects('ClusterSPIFFEID');
  assert.deepEqual(stored?.['spec'], { spiffeIDTemplate: 'spiffe://a.test/1' });
});

test('what is written no more is gone; what never was accepted goes without a word', () => {
  const store = newStore();
  apply(store, pod({ name: 'a' }), pod({ name: 'B' }));
  const { changes } = apply(store);
  assert.deepEqual(
    changes
      .map(({ kind, name, object }) => `${kind} ${name} ${object === undefined ? 'gone' : 'there'}`)
      .toSorted(),
    ['Namespace shop gone', 'Pod a gone'],
  );
});

const ILLEGAL: readonly (readonly [string, Written, RegExp])[] = [
  ['a path as name', pod({ name: '../../evil' }), /metadata\.name: must be a DNS name/],
  ['capitals', pod({ name: 'Evil' }), /metadata\.name: must be a DNS name/],
  [
    'a path as namespace',
    pod({ name: 'a', namespace: '../x' }),
    /metadata\.namespace: must be a DNS label/,
  ],
  ['a newline in a name', pod({ name: 'a\nb' }), /metadata\.name: must be a DNS name/],
  [
    'a path as name of a volume',
    pod({ name: 'a' }, { containers: [], volumes: [{ name: '../..', csi: {} }] }),
    /spec\.volumes\[0\]\.name: must be a DNS label/,
  ],
];
for (const [what, object, message] of ILLEGAL) {
  test(`${what} is refused`, () => {
    const store = newStore();
    const { changes, notices } = apply(store, object);
    assert.deepEqual(
      changes.filter(({ kind }) => kind === 'Pod'),
      [],
    );
    assert.match(notices.join('\n'), message);
  });
}

test('the second of two objects of one name is ignored, and both files are named', () => {
  const { warnings } = apply(newStore(), pod({ name: 'a' }), pod({ name: 'a' }));
  assert.deepEqual(warnings, ['f.json: Pod shop/a is in f.json already; this one is ignored']);
});

test('kinds of other groups are skipped, whatever their names', () => {
  const store = newStore();
  const { changes, warnings } = apply(
    store,
    { apiVersion: 'serving.knative.dev/v1', kind: 'Service', metadata: { name: 'a' } },
    { apiVersion: 'example.com/v1', kind: 'Pod', metadata: { name: 'a' } },
    { apiVersion: 'example.com/v1', kind: 'Deployment', metadata: { name: 'a' } },
    { kind: 'ConfigMap', metadata: { name: 'a' } },
    { kind: 'ServiceAccount', metadata: { name: 'a' } },
  );
  assert.deepEqual(
    changes.map(({ kind }) => kind),
    ['Node'],
  );
  assert.deepEqual(
    warnings.map((line) => line.replace('f.json: skipped, kind ', '')),
    [
      'serving.knative.dev/v1 Service is not played here',
      'example.com/v1 Pod is not played here',
      'example.com/v1 Deployment is not played here',
      'ConfigMap is not played here',
    ],
  );
});

test('a namespace that gets the label injects its pods, and stops when it loses it', () => {
  const store = newStore();
  const namespace = (labels: Record<string, string>): Written => ({
    kind: 'Namespace',
    metadata: { name: 'shop', labels },
  });
  const volumes = () => {
    return (onlyPod(store)['spec'] as { volumes?: unknown[] }).volumes?.length ?? 0;
  };
  const on = { 'signet.dev/inject': 'true' };
  apply(store, pod({ name: 'a' }, { containers: [{ name: 'c', image: 'i' }] }), namespace({}));
  assert.equal(volumes(), 0);
  apply(store, pod({ name: 'a' }, { containers: [{ name: 'c', image: 'i' }] }), namespace(on));
  assert.equal(volumes(), 1);
  apply(store, pod({ name: 'a' }, { containers: [{ name: 'c', image: 'i' }] }), namespace({}));
  assert.equal(volumes(), 0);
});

test('replicas come and go by number; other counts are refused by name', () => {
  const store = newStore();
  const deployment = (replicas: unknown): Written => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { replicas, template: { spec: { containers: [] } } },
  });
  const count = () => [...store.objects('Pod')].length;
  apply(store, deployment(3));
  const before = [...store.objects('Pod')].map(
    (object) => (object['metadata'] as Metadata)['name'],
  );
  assert.equal(before.length, 3);
  apply(store, deployment(2));
  const after = [...store.objects('Pod')].map((object) => (object['metadata'] as Metadata)['name']);
  assert.deepEqual(after, before.slice(0, 2));
  apply(store, deployment(0));
  assert.equal(count(), 0);
  for (const bad of [251, -1, 1.5, '3', 1e9]) {
    const { warnings } = apply(store, deployment(bad));
    assert.match(warnings[0] ?? '', /^f\.json: Deployment web: spec\.replicas must be a number/);
    assert.equal(count(), 0);
  }
});
