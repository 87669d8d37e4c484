import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { ClusterView, COLLECTIONS } from '../../../../src/cluster-view/cluster-view.ts';
import { IdentityView } from '../../../../src/identity/identity-view.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../../../../src/identity/settings.ts';
import { ClusterPodSource } from '../../../../src/issuer/cluster/cluster-pod-source.ts';
import { IdentityPodSource } from '../../../../src/issuer/identity-pod-source.ts';
import { KubeHarness } from '../../kube/kube-harness.ts';
import { TRUST_DOMAIN } from '../fixtures.ts';

const settings = { ...DEFAULT_IDENTITY_SETTINGS, trustDomain: TRUST_DOMAIN };
const MINUTE = 60_000;
let kube: KubeHarness;
let view: ClusterView;
let identities: IdentityView;
let source: IdentityPodSource;
let pods: ClusterPodSource;
let ids: string[];
let stop: AbortController;
let running: Promise<void>;

beforeEach(async () => {
  kube = await KubeHarness.start();
  kube.api.set(COLLECTIONS.Namespace, { metadata: { name: 'n' } });
  identities = new IdentityView(settings);
  source = new IdentityPodSource({
    view: identities,
    driverName: 'csi.spiffe.io',
    clock: kube.clock,
    onBadObject: () => {},
  });
  view = new ClusterView({
    client: kube.client,
    settings,
    driverName: 'csi.spiffe.io',
    apply: (changes, version) =>
      source.apply(changes, version > source.version ? version : source.version),
    clock: kube.clock,
    log: kube.log,
  });
  pods = new ClusterPodSource({
    source,
    view,
    now: () => kube.clock.now(),
    answers: kube.client.answers,
    maxStalenessMs: 15 * MINUTE,
  });
  ids = [];
  source.onChange(({ podUid }) => ids.push(`${podUid} ${idOf(podUid)}`));
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await running;
  await kube.stop();
});

function start(): void {
  running = view.run(stop.signal);
}

function idOf(uid: string): string {
  const pod = pods.pod(uid);
  return pod?.entries.map(({ spiffeId }) => spiffeId).join(' ') ?? 'unknown';
}

function addPod(name: string, more: { annotations?: Record<string, string> } = {}) {
  kube.api.set(COLLECTIONS.Pod, {
    metadata: { name, namespace: 'n', uid: name, ...more },
    spec: {
      nodeName: 'node-1',
      serviceAccountName: 'sa',
      volumes: [{ name: 'spiffe', csi: { driver: 'csi.spiffe.io' } }],
      containers: [{ name: 'c', image: 'img' }],
    },
    status: { phase: 'Running' },
  });
}

function addPolicy(name: string, path: string, more: Record<string, unknown> = {}) {
  kube.api.set(COLLECTIONS.ClusterSPIFFEID, {
    metadata: { name, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { spiffeIDTemplate: `spiffe://{{ .TrustDomain }}/${path}`, ...more },
  });
}

const asked = (kind: keyof typeof COLLECTIONS) => kube.api.requestsOf('GET', COLLECTIONS[kind]);
const ANNOTATED = '{{ index .PodMeta.Annotations "a" }}';

test('pods are asked for when policies have said what is needed of them', async () => {
  addPod('p', { annotations: { a: 'x' } });
  addPolicy('one', ANNOTATED);
  start();
  await kube.until(() => view.isReady);
  const order = kube.api.requests.map(({ path }) => path);
  assert.ok(order.indexOf(COLLECTIONS.Pod) > order.indexOf(COLLECTIONS.ClusterSPIFFEID));
  assert.equal(asked('Pod').length, 1);
  assert.equal(idOf('p'), 'spiffe://example.org/x');
  assert.equal(pods.isFresh(), true);
  assert.ok(!ids.includes('p spiffe://example.org/'), 'never rendered over less than it needs');
});

test('a change is in the view with the version of the change', async () => {
  addPod('p');
  start();
  await kube.until(() => view.isReady);
  addPolicy('one', '{{ .PodMeta.Name }}');
  await kube.until(() => idOf('p') === 'spiffe://example.org/p');
  assert.equal(pods.pod('p')?.version, BigInt(kube.api.version));
  kube.api.delete(COLLECTIONS.ClusterSPIFFEID, 'one');
  await kube.until(() => idOf('p') === '');
  assert.equal(pods.isGone('p'), false);
  kube.api.delete(COLLECTIONS.Pod, 'p', 'n');
  await kube.until(() => pods.isGone('p'));
  assert.equal(idOf('p'), 'unknown');
  assert.equal(pods.version, BigInt(kube.api.version));
});

test('a policy that widens what is kept waits for a relist of pods; its earlier form stays', async () => {
  addPod('p', { annotations: { a: 'x' } });
  addPolicy('one', '{{ .PodMeta.Name }}');
  start();
  await kube.until(() => view.isReady);
  kube.api.faults.push({ on: ({ path }) => path === COLLECTIONS.Pod, act: { status: 503 } });
  addPolicy('one', ANNOTATED);
  await kube.until(() => view.widening.length === 1 && asked('Pod').length > 2, 500);
  assert.deepEqual(view.widening, ['one']);
  assert.equal(idOf('p'), 'spiffe://example.org/p');
  assert.equal(view.isReady, true);
  kube.api.faults.length = 0;
  await kube.until(() => idOf('p') === 'spiffe://example.org/x', 500);
  assert.deepEqual(view.widening, []);
  assert.ok(!ids.includes('p spiffe://example.org/'));
  addPod('q', { annotations: { a: 'y' } });
  await kube.until(() => idOf('q') === 'spiffe://example.org/y');
});

test('a policy that is deleted while it waits, and one that needs nothing new, do not wait', async () => {
  addPod('p', { annotations: { a: 'x' } });
  start();
  await kube.until(() => view.isReady);
  kube.api.faults.push({ on: ({ path }) => path === COLLECTIONS.Pod, act: { status: 503 } });
  addPolicy('wide', ANNOTATED);
  await kube.until(() => view.widening.length === 1);
  kube.api.delete(COLLECTIONS.ClusterSPIFFEID, 'wide');
  await kube.until(() => view.widening.length === 0);
  kube.api.faults.length = 0;
  addPolicy('narrow', '{{ .PodMeta.Name }}');
  await kube.until(() => idOf('p') === 'spiffe://example.org/p', 500);
});

test('nodes, services and slices are watched when a policy needs them, and waited for', async () => {
  addPod('p');
  addPolicy('one', '{{ .PodMeta.Name }}');
  start();
  await kube.until(() => view.isReady);
  assert.deepEqual([asked('Node').length, asked('Service').length], [0, 0]);
  kube.api.set(COLLECTIONS.Node, { metadata: { name: 'node-1', labels: { zone: 'z' } } });
  addPolicy('two', '{{ .NodeMeta.Labels.zone }}/{{ .PodMeta.Name }}');
  await kube.until(() => idOf('p').includes('spiffe://example.org/z/p'));
  addPolicy('three', 'three', { autoPopulateDNSNames: true });
  await kube.until(() => idOf('p').includes('/three'));
  assert.deepEqual([asked('Service').length, asked('EndpointSlice').length], [1, 1]);
});

test('static entries are policies too: nodes are waited for where a parent needs them', async () => {
  addPod('p');
  kube.api.set(COLLECTIONS.Node, { metadata: { name: 'node-1', uid: 'uid-1' } });
  const add = (name: string, spec: Record<string, unknown>) =>
    kube.api.set(COLLECTIONS.ClusterStaticEntry, { metadata: { name, uid: name }, spec });
  const nodes = 'spiffe://example.org/nodes';
  add('p', { spiffeID: 'spiffe://example.org/x', parentID: nodes, selectors: ['k8s:pod-name:p'] });
  addPolicy('p', 'y');
  start();
  await kube.until(() => idOf('p') === 'spiffe://example.org/y');
  assert.equal(asked('Node').length, 0);
  const selectors = ['k8s_psat:agent_node_uid:uid-1'];
  add('nodes', { spiffeID: nodes, parentID: 'spiffe://example.org/spire/server', selectors });
  await kube.until(() => idOf('p').includes('spiffe://example.org/x'));
  assert.equal(asked('Node').length, 1);
  assert.ok(!ids.includes('p '), 'what it had stays while nodes are read');
});

test('selectors on images see images', async () => {
  addPod('p');
  start();
  await kube.until(() => view.isReady);
  addPolicy('one', 'img', { workloadSelectorTemplates: ['k8s:pod-image:img'] });
  await kube.until(() => idOf('p') === 'spiffe://example.org/img');
});

test('nothing is fresh before every kind was seen', async () => {
  addPod('p');
  kube.api.faults.push({
    on: ({ path }) => path === COLLECTIONS.IdentityRestriction,
    act: { status: 404 },
  });
  start();
  await kube.until(() => idOf('p') !== 'unknown');
  const end = kube.clock.now() + 5000;
  await kube.until(() => kube.clock.now() >= end, 500);
  assert.deepEqual([view.isReady, pods.isFresh(), pods.isGone('other')], [false, false, false]);
  kube.api.faults.length = 0;
  await kube.until(() => pods.isFresh(), 500);
});

test('watches that stall while the API server answers make the view stale', async () => {
  addPod('p');
  start();
  await kube.until(() => view.isReady && kube.api.openWatches >= 4);
  kube.api.silent = true;
  const collections: readonly string[] = Object.values(COLLECTIONS);
  kube.api.faults.push({ on: ({ path }) => collections.includes(path), act: 'stall' });
  await kube.clock.advance(89_000);
  await kube.client.send({ method: 'GET', path: '/api/v1/namespaces/n' });
  assert.deepEqual([pods.isFresh(), pods.isGone('other')], [true, true]);
  await kube.clock.advance(2000);
  await kube.client.send({ method: 'GET', path: '/api/v1/namespaces/n' });
  assert.deepEqual([pods.isFresh(), pods.isGone('other')], [false, false]);
});

test('the slowest of the watches is what counts', async () => {
  addPod('p');
  start();
  await kube.until(() => view.isReady && kube.api.openWatches >= 4);
  const restrictions = COLLECTIONS.IdentityRestriction;
  kube.api.faults.push({ on: ({ path }) => path === restrictions, act: { status: 403 } });
  kube.api.endWatches('end');
  const from = kube.clock.now();
  await kube.until(() => {
    kube.api.bookmark();
    return kube.clock.now() - from >= 95_000;
  }, 1000);
  assert.equal(pods.isFresh(), false);
  kube.api.faults.length = 0;
  await kube.until(() => pods.isFresh(), 1000);
});

test('F-12: without an API server known pods stay served for so long, and come back after it', async () => {
  addPod('p');
  addPolicy('one', '{{ .PodMeta.Name }}');
  start();
  await kube.until(() => view.isReady);
  const { port } = kube.api;
  await kube.api.stop();
  const from = kube.clock.now();
  await kube.until(() => kube.clock.now() - from >= 14 * MINUTE, MINUTE);
  assert.equal(pods.isFresh(), true);
  assert.equal(idOf('p'), 'spiffe://example.org/p');
  await kube.until(() => kube.clock.now() - from >= 15 * MINUTE, MINUTE);
  assert.equal(pods.isFresh(), false);
  assert.equal(idOf('p'), 'spiffe://example.org/p');
  await kube.api.listen(port);
  await kube.until(() => kube.api.openWatches >= 4, 500);
  kube.api.bookmark();
  await kube.until(() => pods.isFresh(), 500);
});

test('restrictions have the version of the newest one, and are known up to the last word', async () => {
  addPod('p');
  addPolicy('one', '{{ .PodMeta.Name }}');
  start();
  await kube.until(() => view.isReady);
  kube.api.set(COLLECTIONS.IdentityRestriction, {
    metadata: { name: 'r' },
    spec: { match: { namespace: 'n' }, suspend: true },
  });
  await kube.until(() => pods.restrictionVersion > 0n);
  assert.equal(pods.pod('p')?.refusal, 'Suspended');
  const before = pods.restrictionVersion;
  assert.equal(before, BigInt(kube.api.version));
  kube.api.bookmark();
  await kube.until(() => pods.restrictionsKnownTo > before);
  assert.equal(pods.restrictionVersion, before);
});
