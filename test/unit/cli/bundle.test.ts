// `signet bundle` against a fake API server and a run directory: what it prints, what it writes, what it
// refuses.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { parse } from 'yaml';
import { emptyState } from '../../../src/authorities/authority-state.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { bundleCommand } from '../../../src/cli/bundle.ts';
import { parseClusterFederatedTrustDomain } from '../../../src/crds/cluster-federated-trust-domain.ts';
import { documentOf, formatFederatedBundles } from '../../../src/federation/federated-bundle.ts';
import { FileAuthorityStore } from '../../../src/issuer/authority/file-authority-store.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { type ApiObject, FakeApiServer } from '../../fakes/fake-api-server.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import { bundleOf, OWN, objectOf, PEER } from '../federation/fixtures.ts';

const CONFIG_MAPS = '/api/v1/configmaps';
const OBJECTS = '/apis/spire.spiffe.io/v1alpha1/clusterfederatedtrustdomains';
const root = new TestCa(OWN);
const foreign = bundleOf(PEER, { sequence: 12 });
const federated = formatFederatedBundles(
  new Map([
    [
      PEER,
      {
        trustDomain: PEER,
        uid: 'u',
        labels: {},
        bundle: foreign,
        highestSequence: 12,
        bootstrapDigest: '',
        isFetched: true,
      },
    ],
  ]),
);
const state = {
  ...emptyState(OWN),
  sequence: 7,
  authorities: [
    {
      id: 'root',
      kind: 'root',
      phase: 'active',
      certificate: Buffer.from(root.certificate).toString('base64'),
      notBefore: 1,
      notAfter: 2,
      preparedAt: 1,
    },
  ],
};

let api: FakeApiServer;
let directory: string;
let out: string[];

before(async () => {
  api = await FakeApiServer.start();
  directory = mkdtempSync(join(tmpdir(), 'signet-bundle-'));
  writeFileSync(join(directory, 'token'), api.token);
  writeFileSync(join(directory, 'ca.crt'), api.ca);
  const store = new FileAuthorityStore(join(directory, `authorities-${OWN}`));
  await store.write('state', state, undefined);
  writeFileSync(join(directory, `federated-bundles-${OWN}.json`), federated);
  for (const [name, text] of [
    ['signet-authority-state', JSON.stringify(state)],
    ['signet-federated-bundles', federated],
  ] as const) {
    const metadata = { name, namespace: 'signet' };
    api.set(CONFIG_MAPS, { metadata, data: { 'document.json': text } });
  }
});
after(async () => {
  await api.stop();
  rmSync(directory, { recursive: true });
});
beforeEach(() => {
  out = [];
});

async function bundle(...args: readonly string[]): Promise<string> {
  const code = await bundleCommand(args, {
    signal: new AbortController().signal,
    clock: systemClock,
    log: silentLogger,
    out: (text) => out.push(text),
    err: (text) => out.push(text),
    environment: {},
  });
  return code === 0 ? out.join('\n') : `exit ${code}`;
}

const inCluster = () => [`--api-server=${api.url}`, `--service-account-dir=${directory}`];
const inDirectory = () => [`--run-dir=${directory}`];

for (const [where, place] of [
  ['a cluster', inCluster],
  ['a run directory', inDirectory],
] as const) {
  test(`show: our own and others, of ${where}`, async () => {
    const table = await bundle('show', ...place());
    assert.match(table, /^own\.test +own +7 +1 +0 /m);
    assert.match(table, /^peer\.test +fetched +12 +1 +1 /m);
  });
}

test('show: one of them, in the forms in which others want it', async () => {
  assert.equal(await bundle('show', PEER, '--format=spiffe', ...inCluster()), documentOf(foreign));
  out = [];
  const pem = await bundle('show', '--format=pem', ...inCluster());
  assert.equal(`${pem}\n`, formatPemCertificate(root.certificate));
  out = [];
  const jwks = await bundle('show', PEER, '--format=jwks', ...inCluster());
  const { keys } = JSON.parse(jwks) as { keys: { use: string }[] };
  assert.deepEqual(
    keys.map(({ use }) => use),
    ['jwt-svid'],
  );
  out = [];
  const json = JSON.parse(await bundle('show', '-o', 'json', ...inCluster())) as JsonObject[];
  assert.deepEqual(
    json.map(({ trustDomain, source, sequence }) => [trustDomain, source, sequence]),
    [
      [OWN, 'own', 7],
      [PEER, 'fetched', 12],
    ],
  );
  await assert.rejects(bundle('show', 'nobody.test', ...inCluster()), { code: 'not-found' });
});

test('manifest: what a partner declares us with is an object that counts', async () => {
  const endpoint = '--endpoint=https://bundle.own.test/';
  const spiffe = parse(await bundle('manifest', endpoint, ...inCluster())) as JsonObject;
  const read = parseClusterFederatedTrustDomain(spiffe).value;
  assert.equal(read?.trustDomain, OWN);
  assert.deepEqual(read?.profile, {
    type: 'https_spiffe',
    endpointId: `spiffe://${OWN}/signet/bundle-endpoint`,
  });
  assert.equal(read?.bootstrapBundle?.bundle.sequence, 7);
  out = [];
  const web = parse(await bundle('manifest', endpoint, '--profile=https_web', ...inCluster()));
  assert.deepEqual(parseClusterFederatedTrustDomain(web as JsonObject).value?.profile, {
    type: 'https_web',
  });
  for (const bad of ['http://own.test/', 'https://u@own.test/', 'own.test']) {
    const call = bundle('manifest', `--endpoint=${bad}`, ...inCluster());
    await assert.rejects(call, { code: 'invalid-argument' });
  }
  await assert.rejects(bundle('manifest', ...inCluster()), /--endpoint/);
});

test('set: the bundle of the object that declares it, from SPIFFE form or PEM', async () => {
  const peer = new TestCa(PEER);
  api.set(OBJECTS, objectOf(PEER, { name: 'partner', bootstrap: '{' }) as ApiObject);
  const written = () => {
    const spec = api.get(OBJECTS, 'partner')?.['spec'] as { trustDomainBundle: string };
    return JSON.parse(spec.trustDomainBundle) as { keys: { x5c: string[] }[] };
  };
  const file = join(directory, 'bundle');
  for (const text of [
    documentOf(bundleOf(PEER, { ca: peer })),
    formatPemCertificate(peer.certificate),
  ]) {
    writeFileSync(file, text);
    const said = await bundle('set', PEER, file, ...inCluster());
    assert.match(said, /partner: begins with 1 X\.509/);
    const [first] = written().keys;
    assert.deepEqual(first?.x5c, [Buffer.from(peer.certificate).toString('base64')]);
  }
  for (const text of ['', '{"keys":[]}', 'nonsense', '{"keys":[{"use":"wit-svid"}]}']) {
    writeFileSync(file, text);
    const call = bundle('set', PEER, file, ...inCluster());
    await assert.rejects(call, { code: 'invalid-argument' }, text);
  }
  writeFileSync(file, documentOf(bundleOf('other.test')));
  await assert.rejects(bundle('set', 'other.test', file, ...inCluster()), { code: 'not-found' });
  await assert.rejects(bundle('set', PEER, file, ...inDirectory()), /manifests/);
});

test('a call that is none', async () => {
  for (const args of [[], ['shows'], ['show', 'a', 'b'], ['set'], ['manifest', 'a']]) {
    assert.equal(await bundle(...args), 'exit 2', args.join(' '));
  }
});
