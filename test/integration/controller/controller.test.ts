import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { createLogger } from '../../../src/base/log.ts';
import { COLLECTIONS } from '../../../src/cluster-view/cluster-view.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { MUTATE_PODS_PATH } from '../../../src/webhook/server/admission-paths.ts';
import { ControllerHarness, MUTATING, VALIDATING } from './controller-harness.ts';

const LEASES = '/apis/coordination.k8s.io/v1/leases';

let cluster: ControllerHarness;
beforeEach(async () => {
  cluster = await ControllerHarness.start();
});
afterEach(async () => await cluster.stop());

function entriesOf(collection: string): readonly Record<string, unknown>[] {
  const webhooks = cluster.api.get(collection, 'signet')?.['webhooks'];
  return Array.isArray(webhooks) ? webhooks : [];
}

function podReview() {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'review-1',
      operation: 'CREATE',
      namespace: 'shop',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      object: {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'web', namespace: 'shop', labels: { 'signet.dev/inject': 'true' } },
        spec: { containers: [{ name: 'main', image: 'web' }] },
      },
    },
  };
}

test('R12: a webhook that API servers trust, once the authority role has been there', async () => {
  cluster.launch();
  await cluster.until(() => cluster.api.get(LEASES, 'signet-controller', 'signet') !== undefined);
  const authority = await cluster.addAuthority('serving');
  await cluster.addServingCertificate(authority);
  const pem = formatPemCertificate(authority.certificateDer);
  await cluster.until(() => cluster.ports.webhook !== 0);
  await cluster.until(() => [MUTATING, VALIDATING].every((kind) => cluster.caBundle(kind) === pem));
  const ca = cluster.caBundle(MUTATING);
  const answer = (await cluster.review(MUTATE_PODS_PATH, ca, podReview())) as {
    response: { allowed: boolean; patch?: string };
  };
  assert.equal(answer.response.allowed, true);
  const patch = Buffer.from(answer.response.patch ?? '', 'base64').toString();
  assert.match(patch, /SPIFFE_ENDPOINT_SOCKET/);
  await cluster.until(async () => (await cluster.probe('/readyz')).status === 200);
  assert.equal((await cluster.probe('/livez')).status, 200);
});

test('a second replica answers too, and writes nothing', async () => {
  const authority = await cluster.addAuthority('serving');
  await cluster.addServingCertificate(authority);
  cluster.launch();
  await cluster.until(() => cluster.caBundle(MUTATING) !== '');
  const before = cluster.api.version;
  cluster.ports = { webhook: 0, health: 0 };
  cluster.launch();
  await cluster.until(() => cluster.ports.webhook !== 0);
  await cluster.until(async () => (await cluster.probe('/readyz')).status === 200);
  const lease = cluster.api.get(LEASES, 'signet-controller', 'signet');
  assert.match(JSON.stringify(lease?.['spec']), /signet-controller-0_/);
  const writes = cluster.api.requests.filter(({ method }) => method !== 'GET');
  assert.ok(before > 0);
  assert.equal(writes.filter(({ path }) => path.startsWith(MUTATING)).length, 1);
});

test('old and new serving authorities are trusted while they change', async () => {
  const old = await cluster.addAuthority('serving');
  await cluster.addServingCertificate(old);
  cluster.launch();
  await cluster.until(() => cluster.caBundle(MUTATING) !== '');
  const next = await cluster.addAuthority('serving');
  const both = [old, next].map(({ certificateDer }) => formatPemCertificate(certificateDer));
  await cluster.until(() => cluster.caBundle(MUTATING) === both.join(''));
});

test('entries of others are left alone, and a failure policy that was changed is reported', async () => {
  const [first, ...rest] = entriesOf(VALIDATING);
  const theirs = {
    ...first,
    name: 'theirs.example.org',
    clientConfig: { url: 'https://x.example' },
  };
  const webhooks = [theirs, { ...first, failurePolicy: 'Ignore' }, ...rest];
  cluster.api.set(VALIDATING, { metadata: { name: 'signet' }, webhooks });
  const lines: string[] = [];
  const destination = { write: (line: string) => lines.push(line) };
  await cluster.addAuthority('serving');
  cluster.launch({ log: createLogger('test', { destination }) });
  await cluster.until(() =>
    lines.some((line) => line.includes('"message":"vclusterspiffeid.kb.io: Ignore"')),
  );
  await cluster.until(() => lines.filter((line) => line.includes('Told API servers')).length === 2);
  const [kept, next] = entriesOf(VALIDATING);
  assert.deepEqual(kept, theirs);
  assert.equal(next?.['failurePolicy'], 'Ignore');
});

test('without a namespace list it is not ready', async () => {
  cluster.api.faults.push({
    on: ({ path }) => path === COLLECTIONS.Namespace,
    act: { status: 403 },
  });
  await cluster.addServingCertificate(await cluster.addAuthority('serving'));
  cluster.launch();
  await cluster.until(() => cluster.ports.health !== 0);
  const { status, text } = await cluster.probe('/readyz');
  assert.equal(status, 503);
  assert.match(text, /^view: not everything was seen yet$/m);
  assert.equal((await cluster.probe('/livez')).status, 200);
});

test('while API servers do not trust the webhook it is not ready', async () => {
  cluster.api.faults.push({
    on: ({ method, path }) => method === 'PATCH' && path.startsWith(VALIDATING),
    act: { status: 403 },
  });
  await cluster.addServingCertificate(await cluster.addAuthority('serving'));
  cluster.launch();
  await cluster.until(() => cluster.caBundle(MUTATING) !== '');
  const { status, text } = await cluster.probe('/readyz');
  assert.equal(status, 503);
  assert.match(text, /^webhook: API servers do not trust it yet$/m);
});
