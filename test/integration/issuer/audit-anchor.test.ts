// The Lease that keeps how far audit logs go: written by a real issuer through a real client.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AUDIT_LEASE, anchorsIn, LeaseAnchor } from '../../../src/audit/audit-anchor.ts';
import { FileAuditLog } from '../../../src/audit/file-audit-log.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { KubeClient } from '../../../src/kube/kube-client.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { newSigning, problemsIn, Replica, verifyLines } from '../../unit/audit/audit-harness.ts';
import { ClusterHarness } from './cluster-harness.ts';

const LEASES = '/apis/coordination.k8s.io/v1/leases';
const PATH = `/apis/coordination.k8s.io/v1/namespaces/signet/leases/${AUDIT_LEASE}`;
const directory = mkdtempSync(join(tmpdir(), 'signet-audit-'));
let cluster: ClusterHarness;
let client: KubeClient;
before(async () => {
  cluster = await ClusterHarness.start();
  client = new KubeClient({ access: cluster.access, clock: systemClock, userAgent: 'test/0' });
});
after(async () => {
  client.close();
  await cluster.stop();
  rmSync(directory, { recursive: true });
});

const signal = AbortSignal.timeout(60_000);

async function lease(): Promise<JsonObject> {
  return await client.send({ method: 'GET', path: PATH });
}

test('nothing is kept where there is no Lease, and that is no end of anything', async () => {
  const clock = new FakeClock();
  const { signer } = await newSigning(clock);
  const replica = new Replica('a', { clock, signer }, new LeaseAnchor(client, 'signet'));
  replica.issue('01');
  assert.equal(await replica.trail.settle(signal), false);
  const metadata = { name: AUDIT_LEASE, namespace: 'signet', annotations: { other: 'kept' } };
  cluster.api.set(LEASES, { metadata });
  assert.equal(await replica.trail.settle(signal), true);
  const { checkpoints } = anchorsIn(await lease());
  assert.deepEqual(checkpoints, [replica.trail.newest]);
});

test('what else is annotated stays; what is no checkpoint is passed over and named', async () => {
  const name = `audit.signet.dev/${'f'.repeat(32)}`;
  const contentType = 'application/merge-patch+json';
  const body = { metadata: { annotations: { [name]: '{"chain":"x"}' } } };
  await client.send({ method: 'PATCH', path: PATH, contentType, body });
  const anchor = new LeaseAnchor(client, 'signet');
  const before = await anchor.look(signal);
  assert.equal(before.length, 1);
  const { malformed, checkpoints } = anchorsIn(await lease());
  assert.deepEqual([malformed, checkpoints.length], [[name], 1]);
  await anchor.drop(before, signal);
  assert.deepEqual((await lease())['metadata'], {
    ...((await lease())['metadata'] as JsonObject),
    annotations: { other: 'kept', [name]: '{"chain":"x"}' },
  });
});

test('an issuer signs its log with the key of its endpoint, and patches one Lease, nothing else', async () => {
  const path = join(directory, 'audit.jsonl');
  const audit = new FileAuditLog(path, systemClock, { replica: 'issuer-a' });
  cluster.auditLog = audit;
  await cluster.makeAuthorities();
  cluster.addPod('u1');
  cluster.addPolicy('{{ .PodMeta.Name }}');
  const from = cluster.api.requests.length;
  await cluster.startIssuer();
  await cluster.startPlugin(cluster.addPlugin());
  const text = () => readFileSync(path, 'utf8');
  await cluster.until(() => text().includes('"event":"X509SvidIssued"'));
  const issuedAt = () =>
    text()
      .split('\n')
      .findIndex((line) => line.includes('X509SvidIssued')) + 1;
  const keptTo = async () => {
    const { checkpoints } = anchorsIn(await lease());
    return checkpoints.find(({ replica }) => replica === 'issuer-a')?.sequence ?? 0;
  };
  while ((await keptTo()) < issuedAt()) await systemClock.sleep(100, signal);
  const { checkpoints: anchors } = anchorsIn(await lease());
  const state = await cluster.keeper().settle();
  const authorities = state.authorities.flatMap(({ kind, certificate = '' }) =>
    kind === 'serving' ? [new Uint8Array(Buffer.from(certificate, 'base64'))] : [],
  );
  const report = verifyLines({ log: text().split('\n') }, { anchors, authorities });
  assert.deepEqual(problemsIn(report), []);
  assert.ok((report.chains[0]?.confirmedTo ?? 0) >= issuedAt());
  const asked = cluster.api.requests.slice(from).filter(({ path }) => path.includes('/leases'));
  const byIssuer = asked.filter(({ method }) => method !== 'GET');
  assert.ok(byIssuer.length > 0);
  for (const { method, path } of byIssuer) assert.deepEqual([method, path], ['PATCH', PATH]);
});
