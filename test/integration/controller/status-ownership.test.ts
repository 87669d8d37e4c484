// Which statuses the controller writes at all, beside other classes, managers and controllers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../../src/base/log.ts';
import { COLLECTIONS } from '../../../src/cluster-view/cluster-view.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../../../src/identity/settings.ts';
import { EVENTS, TRUST_DOMAIN } from './controller-harness.ts';
import {
  addPod,
  addPolicy,
  cluster,
  STATIC_ENTRIES,
  statusOf,
  useCluster,
} from './status-fixtures.ts';

useCluster();

const DRIVERS = '/apis/storage.k8s.io/v1/csidrivers';
const LEASES = '/apis/coordination.k8s.io/v1/leases';

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
