import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { createLogger } from '../../../src/base/log.ts';
import { COLLECTIONS } from '../../../src/cluster-view/cluster-view.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../../../src/identity/settings.ts';
import type { ApiObject } from '../../fakes/fake-api-server.ts';
import { ControllerHarness, EVENTS, TRUST_DOMAIN } from './controller-harness.ts';

const STATIC_ENTRIES = '/apis/spire.spiffe.io/v1alpha1/clusterstaticentries';
const FEDERATED = '/apis/spire.spiffe.io/v1alpha1/clusterfederatedtrustdomains';
const DRIVERS = '/apis/storage.k8s.io/v1/csidrivers';
const LEASES = '/apis/coordination.k8s.io/v1/leases';

let cluster: ControllerHarness;
beforeEach(async () => {
  cluster = await ControllerHarness.start();
});
afterEach(async () => await cluster.stop());

type Status = {
  rendered?: boolean;
  set?: boolean;
  stats?: Record<string, number>;
  conditions?: { type: string; status: string; reason: string; message: string }[];
};

function statusOf(collection: string, name: string): Status | undefined {
  return cluster.api.get(collection, name)?.['status'] as Status | undefined;
}

function conditionOf(collection: string, name: string, type = 'Ready') {
  return statusOf(collection, name)?.conditions?.find((each) => each.type === type);
}

function addPod(name: string, spec: Record<string, unknown> = {}): void {
  cluster.api.set(COLLECTIONS.Pod, {
    metadata: { name, namespace: 'shop', uid: `uid-${name}` },
    spec: { nodeName: 'node-1', serviceAccountName: name, ...spec },
    status: { phase: 'Running' },
  });
}

function addPolicy(name: string, spec: Record<string, unknown> = {}): ApiObject {
  const path = '{{ .PodMeta.Namespace }}/{{ .PodSpec.ServiceAccountName }}';
  return cluster.api.set(COLLECTIONS.ClusterSPIFFEID, {
    metadata: { name, generation: 2, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { spiffeIDTemplate: `spiffe://{{ .TrustDomain }}/${path}`, ...spec },
  });
}

test('A20 to A27: the statistics of a policy, and a condition for each thing to know', async () => {
  addPod('web');
  addPod('broken', { serviceAccountName: 'not a path' });
  addPolicy('agents');
  cluster.launch();
  await cluster.until(() => statusOf(COLLECTIONS.ClusterSPIFFEID, 'agents') !== undefined);
  const status = statusOf(COLLECTIONS.ClusterSPIFFEID, 'agents');
  assert.deepEqual(status?.stats, {
    namespacesSelected: 1,
    namespacesIgnored: 0,
    podsSelected: 2,
    podEntryRenderFailures: 1,
    entriesMasked: 0,
    entriesToSet: 1,
    entryFailures: 0,
  });
  assert.equal(conditionOf(COLLECTIONS.ClusterSPIFFEID, 'agents')?.reason, 'RenderFailed');
  assert.equal(
    conditionOf(COLLECTIONS.ClusterSPIFFEID, 'agents', 'NamespaceBound')?.status,
    'True',
  );
});

test("A23: a pod without a node counts, and is nobody's failure", async () => {
  addPod('waiting', { nodeName: '' });
  addPolicy('agents');
  cluster.launch();
  await cluster.until(() => statusOf(COLLECTIONS.ClusterSPIFFEID, 'agents') !== undefined);
  const { stats } = statusOf(COLLECTIONS.ClusterSPIFFEID, 'agents') ?? {};
  assert.equal(stats?.['podEntryRenderFailures'], 1);
  assert.equal(conditionOf(COLLECTIONS.ClusterSPIFFEID, 'agents')?.status, 'True');
});

test('G4: objects of another class are never touched', async () => {
  addPod('web');
  addPolicy('ours', { className: 'signet' });
  addPolicy('classless');
  addPolicy('theirs', { className: 'other' });
  cluster.api.set(STATIC_ENTRIES, { metadata: { name: 'theirs' }, spec: { className: 'other' } });
  cluster.launch({
    settings: {
      ...DEFAULT_IDENTITY_SETTINGS,
      trustDomain: TRUST_DOMAIN,
      classNames: ['signet'],
      ignoreClassless: true,
    },
  });
  await cluster.until(() => statusOf(COLLECTIONS.ClusterSPIFFEID, 'ours') !== undefined);
  const written = cluster.api.requests.filter(({ method }) => method === 'PATCH');
  assert.deepEqual(
    written.map(({ path }) => path).filter((path) => path.includes('spire.spiffe.io')),
    [`${COLLECTIONS.ClusterSPIFFEID}/ours/status`],
  );
});

test('B11–B13: static entries say whether they are in effect, now and after edits', async () => {
  const NODES = 'spiffe://example.org/nodes';
  const set = (name: string, spec: Record<string, unknown>) =>
    cluster.api.set(STATIC_ENTRIES, {
      metadata: { name, uid: name },
      spec: { spiffeID: `spiffe://example.org/${name}`, parentID: NODES, ...spec },
    });
  const parentID = 'spiffe://example.org/spire/server';
  set('nodes', { parentID, selectors: ['k8s_psat:cluster:cluster'] });
  set('batch', { selectors: ['unix:uid:1'] });
  addPod('web');
  cluster.launch();
  const reason = (name: string) => conditionOf(STATIC_ENTRIES, name)?.reason;
  await cluster.until(() => reason('batch') === 'Unsupported' && reason('nodes') === 'NodeAlias');
  const { conditions: _, ...facts } = statusOf(STATIC_ENTRIES, 'batch') ?? {};
  assert.deepEqual(facts, { rendered: true, masked: false, set: false, observedGeneration: 0 });
  const selectors = ['k8s:pod-name:web'];
  set('batch', { selectors });
  await cluster.until(() => reason('batch') === 'Serving');
  assert.equal(statusOf(STATIC_ENTRIES, 'batch')?.set, true);
  set('batch', { spiffeID: 'no ID', selectors });
  await cluster.until(() => reason('batch') === 'Invalid');
  assert.equal(statusOf(STATIC_ENTRIES, 'batch')?.rendered, false);
});

test('a foreign trust domain that cannot be read says so, before there are authorities', async () => {
  cluster.api.set(FEDERATED, {
    metadata: { name: 'partner' },
    spec: {
      trustDomain: 'partner.example',
      bundleEndpointURL: 'http://partner.example',
      bundleEndpointProfile: { type: 'https_web' },
    },
  });
  cluster.launch();
  await cluster.until(() => conditionOf(FEDERATED, 'partner') !== undefined);
  assert.equal(conditionOf(FEDERATED, 'partner')?.reason, 'Invalid');
});

test('a restriction says whether it is in effect', async () => {
  const set = (name: string, spec: Record<string, unknown>) =>
    cluster.api.set(COLLECTIONS.IdentityRestriction, { metadata: { name }, spec });
  set('now', { match: { namespace: 'shop' }, suspend: true });
  set('over', { match: { namespace: 'shop' }, until: '2020-01-01T00:00:00Z' });
  set('bad', { match: {} });
  cluster.launch();
  const effect = (name: string) => conditionOf(COLLECTIONS.IdentityRestriction, name, 'InEffect');
  await cluster.until(() => ['now', 'over', 'bad'].every((name) => effect(name) !== undefined));
  assert.equal(effect('now')?.status, 'True');
  assert.equal(effect('over')?.reason, 'Ended');
  assert.equal(effect('bad')?.reason, 'Invalid');
  set('now', { match: {}, suspend: true });
  await cluster.until(() => effect('now')?.reason === 'Invalid');
  assert.equal(effect('now')?.status, 'True', 'the earlier version is in force');
});

for (const [what, add] of [
  [
    'its driver',
    () => cluster.api.set(DRIVERS, { metadata: { name: 'csi.spiffe.io', labels: {} } }),
  ],
] as const) {
  test(`beside a SPIRE, seen by ${what}, no status of its kinds is written`, async () => {
    add();
    addPod('web');
    addPolicy('agents');
    const name = 'now';
    const spec = { match: { namespace: 'shop' }, suspend: true };
    cluster.api.set(COLLECTIONS.IdentityRestriction, { metadata: { name }, spec });
    cluster.launch();
    await cluster.until(() =>
      cluster.api.all(EVENTS).some((event) => event['reason'] === 'ForeignSpire'),
    );
    await cluster.until(() => statusOf(COLLECTIONS.IdentityRestriction, 'now') !== undefined);
    assert.equal(statusOf(COLLECTIONS.ClusterSPIFFEID, 'agents'), undefined);
  });
}

test('a Lease like that of SPIRE’s controller is worth a word, and stops no status', async () => {
  const name = '98c9c988.spiffe.io';
  // Whoever may write Leases in some namespace can make one that never ends.
  cluster.api.set(LEASES, {
    metadata: { name, namespace: 'tenant' },
    spec: {
      holderIdentity: 'somebody',
      leaseDurationSeconds: 15,
      renewTime: '2099-01-01T00:00:00.000000Z',
    },
  });
  addPod('web');
  addPolicy('agents');
  cluster.launch();
  await cluster.until(() =>
    cluster.api.all(EVENTS).some((event) => event['reason'] === 'ForeignSpire'),
  );
  await cluster.until(() => statusOf(COLLECTIONS.ClusterSPIFFEID, 'agents') !== undefined);
});

test('a SPIRE is adopted on request', async () => {
  cluster.api.set(DRIVERS, { metadata: { name: 'csi.spiffe.io' } });
  addPolicy('agents');
  cluster.launch({ adopts: true });
  await cluster.until(() => statusOf(COLLECTIONS.ClusterSPIFFEID, 'agents') !== undefined);
  const [write] = cluster.api.requests.filter(({ path }) => path.endsWith('/agents/status'));
  assert.equal(write?.query.get('force'), 'true');
});

test('fields of another manager are left alone', async () => {
  const path = `${COLLECTIONS.ClusterSPIFFEID}/agents/status`;
  const details = { causes: [{ reason: 'FieldManagerConflict', field: '.status.stats' }] };
  cluster.api.faults.push({
    on: (request) => request.path === path,
    act: { status: 409, body: { reason: 'Conflict', details } },
  });
  addPolicy('agents');
  cluster.launch();
  await cluster.until(() =>
    cluster.api.all(EVENTS).some((event) => event['reason'] === 'ForeignSpire'),
  );
  const [write] = cluster.api.requestsOf('PATCH', path);
  assert.equal(write?.query.get('force'), 'false');
});

test('who observes writes nothing, and says what differs', async () => {
  const lines: string[] = [];
  addPod('web');
  const policy = addPolicy('agents');
  cluster.api.set(COLLECTIONS.ClusterSPIFFEID, {
    ...policy,
    status: { stats: { podsSelected: 7 } },
  });
  const destination = { write: (line: string) => lines.push(line) };
  cluster.launch({ observes: true, log: createLogger('test', { destination }) });
  await cluster.until(() => lines.some((line) => line.includes('podsSelected: 1, stored 7')));
  assert.deepEqual(
    cluster.api.requests.filter(({ method }) => method !== 'GET'),
    [],
  );
});

test('a pod that counts on an identity hears that it failed, without a word of the policy', async () => {
  const volumes = [{ name: 'spiffe', csi: { driver: 'csi.spiffe.io' } }];
  addPod('broken', { serviceAccountName: 'not a path', volumes });
  addPod('silent', { serviceAccountName: 'not a path' });
  addPod('waiting', { nodeName: '', volumes });
  addPolicy('agents');
  cluster.launch();
  const eventsOf = (kind: string) =>
    cluster.api
      .all(EVENTS)
      .map(
        (event) =>
          event as unknown as {
            reason: string;
            involvedObject: { kind: string; name: string };
            message: string;
          },
      )
      .filter(({ involvedObject }) => involvedObject.kind === kind);
  await cluster.until(() => eventsOf('Pod').length > 0 && eventsOf('ClusterSPIFFEID').length > 0);
  const [event, ...more] = eventsOf('Pod');
  assert.deepEqual(more, []);
  assert.equal(event?.involvedObject.name, 'broken');
  assert.equal(event?.reason, 'RenderFailed');
  assert.doesNotMatch(event?.message ?? '', /agents|not a path/);
});
