import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { COLLECTIONS } from '../../../src/cluster-view/cluster-view.ts';
import { ClusterHarness, HEADER, type WorkloadClient } from './cluster-harness.ts';

let cluster: ClusterHarness;

beforeEach(async () => {
  cluster = await ClusterHarness.start();
});
afterEach(async () => {
  await cluster.stop();
});

const call = () => ({ metadata: HEADER, signal: cluster.signal });

function ids(workload: WorkloadClient) {
  const stream = workload.fetchX509SVID({}, call())[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = await stream.next();
    return done === true ? 'ended' : value.svids.map(({ spiffeId }) => spiffeId).join(' ');
  };
}

test('a pod of the cluster has its identity, follows its policy, and loses it when suspended', async () => {
  await cluster.makeAuthorities();
  const token = cluster.addPlugin();
  cluster.addPod('u1');
  cluster.addPolicy('{{ .PodMeta.Namespace }}/{{ .PodMeta.Name }}');
  await cluster.startIssuer();
  await cluster.startPlugin(token);
  const workload = await cluster.publish('u1');
  const next = ids(workload);
  assert.equal(await next(), 'spiffe://example.org/shop/pod-u1');
  // Reads what pods were not kept for until now.
  cluster.addPolicy('team/{{ index .PodMeta.Annotations "team" }}');
  assert.equal(await next(), 'spiffe://example.org/team/blue');
  // A pod that comes later.
  cluster.addPod('u2');
  assert.equal(await ids(await cluster.publish('u2'))(), 'spiffe://example.org/team/blue');
  cluster.api.set(COLLECTIONS.IdentityRestriction, {
    metadata: { name: 'stop' },
    spec: { match: { namespace: 'shop' }, suspend: true },
  });
  await assert.rejects(next(), { code: 'permission-denied' });
  const issued = cluster.audit.events.filter(({ event }) => event === 'X509SvidIssued');
  assert.ok(issued.length >= 3);
  assert.ok(issued.every(({ node }) => node === 'node-1'));
});

test('F-12: without an API server a known pod still gets what it asks for', async () => {
  await cluster.makeAuthorities();
  const token = cluster.addPlugin();
  cluster.addPod('u1');
  cluster.addPolicy('{{ .PodMeta.Name }}');
  await cluster.startIssuer();
  await cluster.startPlugin(token);
  const workload = await cluster.publish('u1');
  assert.equal(await ids(workload)(), 'spiffe://example.org/pod-u1');
  await cluster.api.stop();
  assert.equal(await ids(workload)(), 'spiffe://example.org/pod-u1');
  const { svids } = await workload.fetchJWTSVID({ audience: ['db'] }, call());
  assert.equal(svids.length, 1);
  assert.equal((await cluster.probe('/livez')).status, 200);
  await cluster.api.listen(0);
});

test('T-03: the token of one node gets nothing for a pod of another', async () => {
  await cluster.makeAuthorities();
  const token = cluster.addPlugin('node-2');
  cluster.addPod('u1', 'node-1');
  cluster.addPolicy('{{ .PodMeta.Name }}');
  await cluster.startIssuer();
  await cluster.startPlugin(token);
  const workload = await cluster.publish('u1');
  await assert.rejects(ids(workload)(), { code: 'unavailable' });
  assert.equal(cluster.audit.events.filter(({ event }) => event === 'X509SvidIssued').length, 0);
});

test('T-04: a token that the API server does not vouch for gets no watch', async () => {
  await cluster.makeAuthorities();
  const token = cluster.addPlugin();
  cluster.api.tokens.delete(token);
  cluster.addPod('u1');
  cluster.addPolicy('{{ .PodMeta.Name }}');
  await cluster.startIssuer();
  await cluster.startPlugin(token);
  await cluster.until(
    () => cluster.api.requests.filter(({ path }) => path.endsWith('/tokenreviews')).length > 1,
  );
  assert.ok(cluster.audit.events.every(({ node }) => node === undefined));
});

test('it is ready when nothing is missing, alive all the time', async () => {
  await cluster.makeAuthorities();
  cluster.api.faults.push({
    on: ({ path }) => path === COLLECTIONS.IdentityRestriction,
    act: { status: 404 },
  });
  await cluster.startIssuer();
  assert.equal((await cluster.probe('/livez')).status, 200);
  const unready = await cluster.probe('/readyz');
  assert.equal(unready.status, 503);
  assert.match(unready.text, /view: not everything was seen yet/);
  cluster.api.faults.length = 0;
  await cluster.until(async () => (await cluster.probe('/readyz')).status === 200);
  assert.equal((await cluster.probe('/metrics')).status, 404);
});

test('an API server that does not name the node of a token leaves it unready, with the reason', async () => {
  await cluster.makeAuthorities();
  const self = { uid: 'issuer-uid', name: 'signet-issuer-x' };
  cluster.vouch(cluster.api.token, { ...self, node: [] });
  await cluster.startIssuer();
  const text = async () => (await cluster.probe('/readyz')).text;
  await cluster.until(async () => (await text()).includes('node-name'));
  assert.equal(
    await text(),
    'self review: no authentication.kubernetes.io/node-name; Kubernetes 1.30 or newer is needed\n',
  );
  cluster.vouch(cluster.api.token, self);
  await cluster.until(async () => (await cluster.probe('/readyz')).status === 200);
});

test('it waits for authorities, and starts to listen when there are some', async () => {
  const started = cluster.startIssuer();
  await cluster.until(() => cluster.api.openWatches >= 4);
  await cluster.makeAuthorities();
  await started;
  assert.ok(cluster.ports.issuer > 0);
});
