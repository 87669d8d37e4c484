// The statistics and conditions that the controller writes, object by object.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COLLECTIONS } from '../../../src/cluster-view/cluster-view.ts';
import { EVENTS } from './controller-harness.ts';
import {
  addPod,
  addPolicy,
  cluster,
  STATIC_ENTRIES,
  statusOf,
  useCluster,
} from './status-fixtures.ts';

useCluster();

const FEDERATED = '/apis/spire.spiffe.io/v1alpha1/clusterfederatedtrustdomains';

function conditionOf(collection: string, name: string, type = 'Ready') {
  return statusOf(collection, name)?.conditions?.find((each) => each.type === type);
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
