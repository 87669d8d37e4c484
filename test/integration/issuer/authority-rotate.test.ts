// The job that keeps the authorities of a cluster, with no more rights than an installation gives it.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { readState } from '../../../src/authorities/authority-state.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { clusterKeeper, rotateAuthorities } from '../../../src/issuer/authority/main.ts';
import { AuthorityView } from '../../../src/issuer/authority/signing-authorities.ts';
import { SecretAuthorityStore } from '../../../src/issuer/cluster/secret-authority-store.ts';
import { fixedAccess } from '../../../src/kube/kube-access.ts';
import { KubeClient } from '../../../src/kube/kube-client.ts';
import { readCertificate } from '../../../src/spiffe/certificate/certificate.ts';
import { type ApiRequest, FakeApiServer } from '../../fakes/fake-api-server.ts';
import { MemoryAuditLog, TRUST_DOMAIN } from '../../unit/issuer/fixtures.ts';

const SECRETS = '/api/v1/secrets';
const CONFIG_MAPS = '/api/v1/configmaps';
const IN_NAMESPACE = '/api/v1/namespaces/signet';
const EMPTY = ['root-key', 'serving-keys', 'issuing-keys', 'issuer-serving', 'controller-serving'];
const NAMED = new Set([
  ...EMPTY.map((name) => `${IN_NAMESPACE}/secrets/signet-${name}`),
  `${IN_NAMESPACE}/configmaps/signet-authority-state`,
  `${IN_NAMESPACE}/configmaps/signet-issuer-ca`,
]);

/** What the role of the job allows: by name, and creation of Secrets. */
function isAllowed({ method, path }: ApiRequest): boolean {
  if (method === 'POST') return path === `${IN_NAMESPACE}/secrets`;
  return (method === 'GET' || method === 'PATCH') && NAMED.has(path);
}

let api: FakeApiServer;
beforeEach(async () => {
  api = await FakeApiServer.start();
  const metadata = (name: string) => ({ name: `signet-${name}`, namespace: 'signet' });
  for (const name of EMPTY) api.set(SECRETS, { metadata: metadata(name), type: 'Opaque' });
  for (const name of ['authority-state', 'issuer-ca']) {
    api.set(CONFIG_MAPS, { metadata: metadata(name) });
  }
  api.faults.push({ on: (request) => !isAllowed(request), act: { status: 403 } });
});
afterEach(async () => {
  await api.stop();
});

const access = () => fixedAccess({ url: api.url, ca: api.ca, token: api.token });

async function rotate(): Promise<void> {
  const client = new KubeClient({ access: access(), clock: systemClock, userAgent: 'test/0' });
  const common = {
    trustDomain: TRUST_DOMAIN,
    jwtKeyType: 'ec-p256' as const,
    audit: new MemoryAuditLog(),
    clock: systemClock,
    log: silentLogger,
  };
  const cluster = { client, namespace: 'signet', clusterDomain: 'cluster.local' };
  try {
    const keeper = clusterKeeper(cluster, common);
    await rotateAuthorities(keeper, common, new AbortController().signal);
  } finally {
    client.close();
  }
}

function dataOf(collection: string, name: string): Record<string, string> | undefined {
  return api.get(collection, name, 'signet')?.['data'] as Record<string, string> | undefined;
}

function stateNow() {
  const text = dataOf(CONFIG_MAPS, 'signet-authority-state')?.['document.json'] ?? assert.fail();
  return readState(JSON.parse(text), TRUST_DOMAIN);
}

function secretDocument(name: string): Record<string, unknown> {
  const text = dataOf(SECRETS, name)?.['document.json'] ?? assert.fail(`${name} is empty`);
  return JSON.parse(Buffer.from(text, 'base64').toString()) as Record<string, unknown>;
}

test('with rights by name it makes everything, standby root included, and then has nothing to do', async () => {
  await rotate();
  const phases = stateNow()
    .authorities.filter(({ kind }) => kind === 'root')
    .map(({ phase }) => phase);
  assert.deepEqual(phases.toSorted(), ['active', 'published']);
  const standby = stateNow().authorities.find(
    ({ kind, phase }) => kind === 'root' && phase === 'published',
  );
  const { keys } = secretDocument('signet-standby-root-key') as { keys: object };
  assert.deepEqual(Object.keys(keys), [standby?.id]);
  const client = new KubeClient({ access: access(), clock: systemClock, userAgent: 'test/0' });
  const store = new SecretAuthorityStore({ client, namespace: 'signet' });
  const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
  await view.refresh();
  assert.ok(view.current.value);
  client.close();
  const { version } = api;
  await rotate();
  assert.equal(api.version, version, 'nothing was written');
});

test('the webhook has a certificate by the names of its Service, and its authority is shown', async () => {
  await rotate();
  const { certificate } = secretDocument('signet-controller-serving');
  const leaf = readCertificate(new Uint8Array(Buffer.from(String(certificate), 'base64')));
  assert.deepEqual(leaf.extensions.alternativeNames.dnsNames, [
    'signet-webhook.signet.svc',
    'signet-webhook.signet',
    'signet-webhook.signet.svc.cluster.local',
    'signet-oidc.signet.svc',
    'signet-oidc.signet',
    'signet-oidc.signet.svc.cluster.local',
  ]);
  const serving = stateNow().authorities.find(({ kind }) => kind === 'serving');
  const pem = dataOf(CONFIG_MAPS, 'signet-issuer-ca')?.['ca.crt'] ?? '';
  assert.equal(pem.replaceAll(/-----[^-]+-----|\s/g, ''), serving?.certificate);
});

test('a key that belongs to no known root is in the way of a standby root, and of nothing else', async () => {
  const metadata = { name: 'signet-standby-root-key', namespace: 'signet' };
  api.set(SECRETS, { metadata, data: {} });
  await assert.rejects(rotate(), { reason: 'StateDamaged' });
  api.delete(SECRETS, metadata.name, 'signet');
  await rotate();
  assert.ok(stateNow().authorities.length > 4);
});

test('a state that is gone, or keys that are gone, are never taken for a fresh start', async () => {
  await rotate();
  const state = dataOf(CONFIG_MAPS, 'signet-authority-state');
  const metadata = { name: 'signet-authority-state', namespace: 'signet' };
  api.set(CONFIG_MAPS, { metadata });
  await assert.rejects(rotate(), { reason: 'StateDamaged', message: /restore it from a backup/ });
  api.set(CONFIG_MAPS, { metadata, data: state });
  for (const name of ['root-key', 'serving-keys', 'issuing-keys']) {
    const secret = { name: `signet-${name}`, namespace: 'signet' };
    const data = dataOf(SECRETS, secret.name);
    api.set(SECRETS, { metadata: secret });
    await assert.rejects(rotate(), { reason: 'StateDamaged', message: /restore Secret signet-/ });
    api.set(SECRETS, { metadata: secret, data });
  }
  assert.deepEqual(dataOf(CONFIG_MAPS, metadata.name), state);
  await rotate();
});
