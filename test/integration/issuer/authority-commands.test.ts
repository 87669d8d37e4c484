// What an operator does to authorities, over the API server and down to the workload.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { AuthorityKind } from '../../../src/authorities/authority-state.ts';
import { activeOf } from '../../../src/authorities/authority-state.ts';
import type { AuthorityCommand } from '../../../src/issuer/authority/authority-commands.ts';
import { readAuthorities } from '../../../src/issuer/authority/main.ts';
import { ClusterHarness, HEADER } from './cluster-harness.ts';

let cluster: ClusterHarness;

beforeEach(async () => {
  cluster = await ClusterHarness.start();
  await cluster.makeAuthorities();
});
afterEach(async () => {
  await cluster.stop();
});

const stateNow = async () => await readAuthorities(cluster.store);

async function activeId(kind: AuthorityKind): Promise<string> {
  return activeOf(await stateNow(), kind)?.id ?? assert.fail(`no active ${kind}`);
}

async function perform(command: AuthorityCommand): Promise<void> {
  const keeper = cluster.keeper();
  await keeper.perform(command);
  await keeper.settle();
}

test('F-21: a root that is revoked is out of the bundle, and every SVID is signed anew, in seconds', async () => {
  const token = cluster.addPlugin();
  cluster.addPod('u1');
  cluster.addPolicy('{{ .PodMeta.Name }}');
  await cluster.startIssuer();
  await cluster.startPlugin(token);
  const workload = await cluster.publish('u1');
  const stream = workload.fetchX509SVID({}, { metadata: HEADER, signal: cluster.signal });
  const messages = stream[Symbol.asyncIterator]();
  const next = async () => {
    const { value } = await messages.next();
    const [svid] =
      (value as { svids?: { x509Svid: Uint8Array; bundle: Uint8Array }[] }).svids ?? [];
    return svid ?? assert.fail('the stream ended');
  };
  const before = await next();
  const revoked = activeOf(await stateNow(), 'root');
  const certificate = Buffer.from(revoked?.certificate ?? '', 'base64');
  assert.ok(Buffer.from(before.bundle).includes(certificate));
  await perform({ verb: 'revoke', id: await activeId('root') });
  let after = before;
  for (let message = 0; message < 5; message += 1) {
    after = await next();
    const isAnew = Buffer.compare(after.x509Svid, before.x509Svid) !== 0;
    if (isAnew && !Buffer.from(after.bundle).includes(certificate)) return;
  }
  assert.fail('still the old root, or what it signed');
});

test('a standby root that is activated leaves its place to the next one', async () => {
  const before = await activeId('root');
  const standby = (await stateNow()).authorities.find(
    ({ kind, phase }) => kind === 'root' && phase === 'published',
  );
  const id = standby?.id ?? assert.fail('no standby root');
  await assert.rejects(perform({ verb: 'activate', id, isUrgent: false }), { reason: 'TooEarly' });
  await perform({ verb: 'activate', id, isUrgent: true });
  const { authorities } = await stateNow();
  assert.equal(await activeId('root'), id);
  assert.equal(authorities.find((one) => one.id === before)?.phase, 'retired');
  assert.equal(activeOf(await stateNow(), 'intermediate')?.parent, id);
  assert.equal(
    authorities.filter(({ kind, phase }) => kind === 'root' && phase === 'published').length,
    1,
  );
});

test('a restored state stops the issuer until somebody accepts it', async () => {
  await cluster.startIssuer();
  const isReady = async () => (await cluster.probe('/readyz')).status === 200;
  await cluster.until(isReady);
  const backup = await cluster.store.read('state');
  await perform({ verb: 'revoke', id: await activeId('jwt') });
  const revoked = await cluster.store.read('state');
  const seen = (await stateNow()).sequence;
  const path = '/api/v1/namespaces/signet/secrets/signet-issuer-serving';
  const reads = () => cluster.api.requestsOf('GET', path).length;
  const before = reads();
  await cluster.until(() => reads() > before);
  await cluster.store.write('state', backup?.value, revoked?.version);
  await cluster.until(async () =>
    (await cluster.probe('/readyz')).text.includes('StateRolledBack'),
  );
  assert.equal(cluster.audit.events.filter(({ event }) => event === 'StateRolledBack').length, 1);
  await perform({ verb: 'accept-restore', seen });
  assert.ok((await stateNow()).sequence > seen);
  await cluster.until(isReady);
});
