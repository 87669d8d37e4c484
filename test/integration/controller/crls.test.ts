// Revocation lists on their way to those who fetch them: the ConfigMap of the bundle, and plain HTTP.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import {
  completeSet,
  noRevocations,
  type PublishedCrl,
} from '../../../src/authorities/revocation-document.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { Latest } from '../../../src/base/latest.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { AuthorityKeeper } from '../../../src/issuer/authority/authority-keeper.ts';
import { AuthorityView } from '../../../src/issuer/authority/signing-authorities.ts';
import { nextLists } from '../../../src/issuer/revocation/intermediate-crls.ts';
import { COMPLETE_PATH, serveCrls } from '../../../src/public/crl-server.ts';
import { readCrl } from '../../../src/spiffe/crl/crl.ts';
import { MemoryAuditLog, TRUST_DOMAIN } from '../../unit/issuer/fixtures.ts';
import { MemoryStore } from '../../unit/issuer/memory-store.ts';
import { CONFIG_MAPS, ControllerHarness } from './controller-harness.ts';

async function documents() {
  const store = new MemoryStore();
  const common = { trustDomain: TRUST_DOMAIN, store, clock: systemClock, log: silentLogger };
  const audit = new MemoryAuditLog();
  await new AuthorityKeeper({ ...common, audit, jwtKeyType: 'ec-p256' }).settle();
  const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
  await view.refresh();
  const { revocation } = view.current.value ?? assert.fail();
  const revoked = [
    { serial: '0a', notAfter: 9_999_999_999, revokedAt: 1, held: false, by: ['stop'] },
  ];
  const lists = nextLists(revocation, { before: {}, revoked }, Date.now());
  const { state } = revocation;
  return { state, document: { ...noRevocations(TRUST_DOMAIN), revoked, lists } };
}

let cluster: ControllerHarness;
beforeEach(async () => {
  cluster = await ControllerHarness.start();
});
afterEach(async () => await cluster.stop());

test('the ConfigMap of the bundle has the complete set', async () => {
  const { state, document } = await documents();
  const maps = { 'authority-state': state, revocations: document };
  for (const [name, value] of Object.entries(maps)) {
    cluster.api.set(CONFIG_MAPS, {
      metadata: { name: `signet-${name}`, namespace: 'signet' },
      data: { 'document.json': JSON.stringify(value) },
    });
  }
  cluster.launch();
  const data = () =>
    cluster.api.get(CONFIG_MAPS, 'signet-bundle', 'signet')?.['data'] as
      | Record<string, string>
      | undefined;
  await cluster.until(() => data()?.['crl.pem'] !== undefined);
  assert.equal(data()?.['crl.pem']?.match(/BEGIN X509 CRL/g)?.length, 3);
});

test('the status of a restriction names what it has put on the lists', async () => {
  const { state, document } = await documents();
  const restrictions = '/apis/signet.dev/v1alpha1/identityrestrictions';
  for (const name of ['stop', 'other']) {
    const spec = { match: { namespace: name }, suspend: true };
    cluster.api.set(restrictions, { metadata: { name, generation: 1 }, spec });
  }
  const write = (name: string, value: unknown) =>
    cluster.api.set(CONFIG_MAPS, {
      metadata: { name: `signet-${name}`, namespace: 'signet' },
      data: { 'document.json': JSON.stringify(value) },
    });
  write('authority-state', state);
  write('revocations', { ...document, revoked: [] });
  cluster.launch();
  const said = (name: string) =>
    (cluster.api.get(restrictions, name)?.['status'] as { revoked?: object } | undefined)?.revoked;
  await cluster.until(() => said('stop') !== undefined && said('other') !== undefined);
  assert.deepEqual(said('stop'), { count: 0, serials: [] });
  const [one] = document.revoked;
  const many = Array.from({ length: 21 }, (_, at) => ({
    ...one,
    serial: (at + 16).toString(16),
    notAfter: 1_900_000_000 + at,
  }));
  write('revocations', { ...document, revoked: many });
  await cluster.until(() => (said('stop') as { count: number }).count === 21);
  const serials = many.map(({ serial }) => serial).toReversed();
  const lastNotAfter = '2030-03-17T17:47:00Z';
  assert.deepEqual(said('stop'), { count: 21, serials: serials.slice(0, 20), lastNotAfter });
  assert.deepEqual(said('other'), { count: 0, serials: [] });
});

test('each list by its issuer’s key identifier, and all together, to whoever asks', async () => {
  const { state, document } = await documents();
  const crls = new Latest<readonly PublishedCrl[]>();
  const stop = new AbortController();
  const listening = Promise.withResolvers<number>();
  const address = { port: 0, host: '127.0.0.1' };
  const running = serveCrls({ address, crls, onListening: listening.resolve }, stop.signal);
  const origin = `http://127.0.0.1:${await listening.promise}`;
  assert.equal((await fetch(`${origin}${COMPLETE_PATH}`)).status, 503, 'there are none yet');
  const set = completeSet(state, document, Date.now());
  crls.set(set);
  const complete = await fetch(`${origin}${COMPLETE_PATH}`);
  assert.equal((await complete.text()).match(/BEGIN X509 CRL/g)?.length, 3);
  assert.equal(complete.headers.get('cache-control'), 'public, max-age=10');
  for (const { crl } of set) {
    const id = Buffer.from(crl.authorityKeyIdentifier).toString('hex');
    const answer = await fetch(`${origin}/crl/${id}.crl`);
    assert.equal(answer.headers.get('content-type'), 'application/pkix-crl');
    const der = new Uint8Array(await answer.arrayBuffer());
    assert.equal(readCrl(der).number, crl.number);
    assert.equal(answer.headers.get('expires'), new Date(crl.nextUpdate).toUTCString());
    const headers = { 'if-none-match': answer.headers.get('etag') ?? '' };
    assert.equal((await fetch(`${origin}/crl/${id}.crl`, { headers })).status, 304);
  }
  assert.equal((await fetch(`${origin}/crl/00.crl`)).status, 404);
  assert.equal((await fetch(`${origin}/crl/../crl/complete.pem?x`)).status, 404);
  assert.equal((await fetch(`${origin}${COMPLETE_PATH}`, { method: 'POST' })).status, 405);
  stop.abort();
  await running;
});

test('lists are made ready once for each set, however often they are asked for', async () => {
  const { state, document } = await documents();
  let looks = 0;
  const counted = () =>
    completeSet(state, document, Date.now()).map(({ crl, authority }) => ({
      get crl() {
        looks += 1;
        return crl;
      },
      authority,
    }));
  const crls = new Latest<readonly PublishedCrl[]>();
  const stop = new AbortController();
  const listening = Promise.withResolvers<number>();
  const address = { port: 0, host: '127.0.0.1' };
  const running = serveCrls({ address, crls, onListening: listening.resolve }, stop.signal);
  const origin = `http://127.0.0.1:${await listening.promise}`;
  const get = async () => await (await fetch(`${origin}${COMPLETE_PATH}`)).text();
  try {
    crls.set(counted());
    const first = await get();
    const once = looks;
    assert.ok(once > 0);
    for (let count = 0; count < 5; count += 1) assert.equal(await get(), first);
    await fetch(`${origin}/crl/00.crl`);
    assert.equal(looks, once);
    crls.set(counted());
    await get();
    assert.ok(looks > once, 'another set is another answer');
  } finally {
    stop.abort();
    await running;
  }
});
