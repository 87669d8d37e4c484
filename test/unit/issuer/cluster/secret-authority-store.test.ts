import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { CodedError } from '../../../../src/base/errors.ts';
import { silentLogger } from '../../../../src/base/log.ts';
import { AuthorityKeeper } from '../../../../src/issuer/authority/authority-keeper.ts';
import type { DocumentName } from '../../../../src/issuer/authority/authority-store.ts';
import { AuthorityView } from '../../../../src/issuer/authority/signing-authorities.ts';
import {
  DOCUMENT_OBJECTS,
  SecretAuthorityStore,
} from '../../../../src/issuer/cluster/secret-authority-store.ts';
import { KubeHarness } from '../../kube/kube-harness.ts';
import { MemoryAuditLog, TRUST_DOMAIN } from '../fixtures.ts';

const SECRETS = '/api/v1/secrets';
const CONFIG_MAPS = '/api/v1/configmaps';
let kube: KubeHarness;
let store: SecretAuthorityStore;

beforeEach(async () => {
  kube = await KubeHarness.start();
  store = new SecretAuthorityStore({ client: kube.client, namespace: 'signet' });
});
afterEach(async () => {
  await kube.stop();
});

const DOCUMENTS = Object.keys(DOCUMENT_OBJECTS) as DocumentName[];

for (const name of DOCUMENTS) {
  test(`${name}: what is written is read back, each version once`, async () => {
    assert.equal(await store.read(name), undefined);
    await store.write(name, { format: 1, text: 'ü' }, undefined);
    const first = await store.read(name);
    assert.deepEqual(first?.value, { format: 1, text: 'ü' });
    await store.write(name, { format: 2 }, first?.version);
    await assert.rejects(store.write(name, { format: 3 }, first?.version), { code: 'aborted' });
    await assert.rejects(store.write(name, { format: 3 }, undefined), { code: 'aborted' });
    assert.deepEqual((await store.read(name))?.value, { format: 2 });
  });
}

test('every document is an object of its own; only what is public is no Secret', async () => {
  for (const name of DOCUMENTS) await store.write(name, { name }, undefined);
  const names = kube.api.all(SECRETS).map(({ metadata }) => metadata.name);
  assert.deepEqual(names.toSorted(), [
    'signet-bundle-endpoint',
    'signet-controller-serving',
    'signet-issuer-serving',
    'signet-issuing-keys',
    'signet-root-key',
    'signet-serving-keys',
    'signet-standby-root-key',
  ]);
  assert.deepEqual(
    kube.api.all(CONFIG_MAPS).map(({ metadata }) => metadata.name),
    ['signet-authority-state', 'signet-revocations'],
  );
});

test('an object without a document is filled in; what else it holds stays', async () => {
  const metadata = { name: 'signet-root-key', namespace: 'signet', labels: { a: 'b' } };
  kube.api.set(SECRETS, { metadata, data: { other: 'eA==' } });
  assert.equal(await store.read('root-key'), undefined);
  await store.write('root-key', { format: 1 }, undefined);
  const object = kube.api.get(SECRETS, 'signet-root-key', 'signet');
  assert.deepEqual(object?.metadata['labels'], { a: 'b' });
  const { data } = (object ?? {}) as { data?: Record<string, string> };
  assert.equal(data?.['other'], 'eA==');
  assert.deepEqual((await store.read('root-key'))?.value, { format: 1 });
});

test('of two who fill in the same object, or make it, one is told', async () => {
  for (const isThere of [true, false]) {
    const name = isThere ? 'root-key' : 'serving-keys';
    if (isThere)
      kube.api.set(SECRETS, { metadata: { name: 'signet-root-key', namespace: 'signet' } });
    const results = await Promise.allSettled([
      store.write(name, { by: 1 }, undefined),
      store.write(name, { by: 2 }, undefined),
    ]);
    const lost = results.filter((result) => result.status === 'rejected');
    assert.equal(lost.length, 1);
    const reason: unknown = lost[0]?.reason;
    assert.equal(reason instanceof CodedError && reason.code, 'aborted');
  }
});

test('an object that was deleted and made again is not the one that was read', async () => {
  await store.write('state', { format: 1 }, undefined);
  const read = await store.read('state');
  kube.api.delete(CONFIG_MAPS, 'signet-authority-state', 'signet');
  await assert.rejects(store.write('state', { format: 2 }, read?.version), { code: 'aborted' });
  await store.write('state', { format: 3 }, undefined);
  await assert.rejects(store.write('state', { format: 2 }, read?.version), { code: 'aborted' });
});

test('a document that cannot be read is damaged, not absent, and its text is not shown', async () => {
  const metadata = { name: 'signet-root-key', namespace: 'signet' };
  const data = { 'document.json': Buffer.from('{"keys": topsecret').toString('base64') };
  kube.api.set(SECRETS, { metadata, data });
  await assert.rejects(store.read('root-key'), (error: Error & { reason?: string }) => {
    assert.equal(error.reason, 'StateDamaged');
    return !`${error.stack}${String(error.cause)}`.includes('topsecret');
  });
});

test('an API server that does not answer is unavailable, a refusal permission-denied', async () => {
  kube.api.faults.push({ on: () => true, act: 'drop', times: 2 });
  await assert.rejects(store.read('state'), { code: 'unavailable' });
  await assert.rejects(store.write('state', {}, undefined), { code: 'unavailable' });
  kube.api.faults.push({ on: () => true, act: { status: 403 } });
  await assert.rejects(store.read('state'), { code: 'permission-denied' });
});

test('the authority role comes to rest over it, beside another one, and an issuer can sign', async () => {
  const common = {
    trustDomain: TRUST_DOMAIN,
    clock: kube.clock,
    log: silentLogger,
    jwtKeyType: 'ec-p256' as const,
  };
  const keeper = () => new AuthorityKeeper({ ...common, store, audit: new MemoryAuditLog() });
  await Promise.all([keeper().settle(), keeper().settle()]);
  const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
  await view.refresh();
  assert.ok(view.current.value?.serving.chain.length);
});
