// What the view asks the API server for, and what it shows of the answers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COLLECTIONS } from '../../../../src/cluster-view/cluster-view.ts';
import { addPod, addPolicy, idOf, ids, kube, pods, start, useView, view } from './view-fixtures.ts';

useView();

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
