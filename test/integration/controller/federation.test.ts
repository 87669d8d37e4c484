// A controller that federates: objects of a fake API server, a peer over real HTTPS, the stored document,
// status and Events; and its own bundle endpoint, with what the authority role made.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { readState } from '../../../src/authorities/authority-state.ts';
import { bundleOf as ownBundleOf } from '../../../src/authorities/public-bundle.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { FederationSettings } from '../../../src/controller/main.ts';
import { AddressRules } from '../../../src/federation/address-rules.ts';
import { BundleFetcher } from '../../../src/federation/bundle-fetch.ts';
import type { EndpointTrust } from '../../../src/federation/endpoint-tls.ts';
import {
  documentOf,
  type FederatedBundle,
  readFederatedBundles,
} from '../../../src/federation/federated-bundle.ts';
import { clusterKeeper, rotateAuthorities } from '../../../src/issuer/authority/main.ts';
import { fixedAccess } from '../../../src/kube/kube-access.ts';
import { KubeClient } from '../../../src/kube/kube-client.ts';
import type { Bundle } from '../../../src/spiffe/bundle/bundle.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import type { ApiObject } from '../../fakes/fake-api-server.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import { bundleOf, objectOf, PEER } from '../../unit/federation/fixtures.ts';
import { MemoryAuditLog } from '../../unit/issuer/fixtures.ts';
import { answerWith, PeerServer } from '../federation/peer-server.ts';
import {
  CONFIG_MAPS,
  ControllerHarness,
  EVENTS,
  SECRETS,
  TRUST_DOMAIN,
} from './controller-harness.ts';

const OBJECTS = '/apis/spire.spiffe.io/v1alpha1/clusterfederatedtrustdomains';
const NAME = 'signet-federated-bundles';
const FETCH = { allow: [], deny: [], allowsLoopback: true };

let cluster: ControllerHarness;
let peer: PeerServer;
let peerCa: TestCa;
let bootstrap: Bundle;

beforeEach(async () => {
  cluster = await ControllerHarness.start();
  cluster.api.define(OBJECTS, 'spire.spiffe.io/v1alpha1', 'ClusterFederatedTrustDomain');
  await authorities();
  peerCa = new TestCa(PEER);
  bootstrap = bundleOf(PEER, { sequence: 1, ca: peerCa });
  const answer = answerWith(documentOf(bundleOf(PEER, { sequence: 7, hint: 30, ca: peerCa })));
  peer = await PeerServer.start(peerCa.svid('/endpoint'), answer);
});
afterEach(async () => {
  await cluster.stop();
  await peer.stop();
});

/** What the authority Job does. */
async function authorities(): Promise<void> {
  const { url, ca, token } = cluster.api;
  const access = fixedAccess({ url, ca, token });
  const client = new KubeClient({ access, clock: systemClock, userAgent: 'authority' });
  const run = {
    trustDomain: TRUST_DOMAIN,
    jwtKeyType: 'ec-p256' as const,
    audit: new MemoryAuditLog(),
    clock: systemClock,
    log: silentLogger,
  };
  const place = { client, namespace: 'signet', clusterDomain: 'cluster.local' };
  const keeper = clusterKeeper({ ...place, hasBundleEndpoint: true }, run);
  await rotateAuthorities(keeper, run, new AbortController().signal);
  client.close();
}

function declare(change: Parameters<typeof objectOf>[1] = {}): void {
  const shape = {
    endpointId: `spiffe://${PEER}/endpoint`,
    bootstrap,
    url: peer.url('127.0.0.1'),
    ...change,
  };
  cluster.api.set(OBJECTS, objectOf(PEER, shape) as ApiObject);
}

const textOf = (): string => {
  const data = cluster.api.get(CONFIG_MAPS, NAME, 'signet')?.['data'] as
    | Record<string, string>
    | undefined;
  return data?.['document.json'] ?? '';
};
const stored = (): FederatedBundle | undefined =>
  textOf() === '' ? undefined : readFederatedBundles(textOf()).get(PEER);

type Status = {
  readonly conditions?: readonly { type: string; status: string; reason: string }[];
  readonly sequence?: number;
  readonly lastRefresh?: string;
  readonly nextRefresh?: string;
};
const statusOf = () => (cluster.api.get(OBJECTS, PEER)?.['status'] ?? {}) as Status;
const reasons = () => (statusOf().conditions ?? []).map(({ reason }) => reason).join(' ');

test('D8, D9, FE-11: fetched, stored under a fixed name, reported; and gone with its object', async () => {
  declare({ labels: { tier: 'partner' } });
  cluster.launch({ federation: { fetch: FETCH } });
  await cluster.until(() => stored()?.isFetched === true);
  assert.equal(stored()?.bundle.sequence, 7);
  assert.deepEqual({ ...stored()?.labels }, { tier: 'partner' });
  await cluster.until(() => reasons() === 'Served Fetched');
  const { sequence, lastRefresh = '', nextRefresh = '' } = statusOf();
  assert.equal(sequence, 7);
  assert.ok(nextRefresh > lastRefresh);
  cluster.api.delete(OBJECTS, PEER);
  await cluster.until(() => textOf() !== '' && stored() === undefined);
});

test('FE-35: a rollback is refused, with a condition and an Event, also after an edit of the URL', async () => {
  declare();
  cluster.launch({ federation: { fetch: FETCH } });
  await cluster.until(() => stored()?.bundle.sequence === 7);
  peer.respond = answerWith(documentOf(bundleOf(PEER, { sequence: 6, ca: peerCa })));
  // An edit of the URL has it fetched at once.
  declare({ url: peer.url('127.0.0.1', '/again') });
  await cluster.until(() => reasons() === 'Served SequenceWentBack');
  assert.equal(stored()?.bundle.sequence, 7);
  const said = () => cluster.api.all(EVENTS).map((event) => event['reason']);
  await cluster.until(() => said().includes('SequenceWentBack'));
});

test('FE-34: without a word of an operator no private address is reached, and nothing is echoed', async () => {
  declare();
  cluster.launch();
  await cluster.until(() => reasons() === 'Served AddressDenied');
  assert.equal(peer.requests.length, 0);
  assert.equal(stored()?.isFetched, false);
  assert.doesNotMatch(JSON.stringify(statusOf()), /127\.0\.0\.1/);
});

test('invalid objects, objects of others and our own trust domain', async () => {
  declare({ url: 'http://plain.test/' });
  cluster.api.set(OBJECTS, objectOf('other.test', { className: 'theirs' }) as ApiObject);
  cluster.api.set(OBJECTS, objectOf(TRUST_DOMAIN) as ApiObject);
  cluster.launch({ federation: { fetch: FETCH } });
  await cluster.until(() => reasons() === 'Invalid');
  const own = () => JSON.stringify(cluster.api.get(OBJECTS, TRUST_DOMAIN)?.['status'] ?? '');
  await cluster.until(() => own().includes('OwnTrustDomain'));
  assert.equal(cluster.api.get(OBJECTS, 'other.test')?.['status'], undefined);
});

async function launchEndpoint(
  profile: NonNullable<FederationSettings['endpoint']>['profile'],
): Promise<number> {
  const listening = Promise.withResolvers<number>();
  const address = { host: '127.0.0.1', port: 0 };
  const endpoint = { address, profile, refreshHintSeconds: 300, onListening: listening.resolve };
  cluster.launch({ federation: { fetch: FETCH, endpoint } });
  return await listening.promise;
}

async function fetchFrom(url: string, trust: EndpointTrust) {
  const rules = new AddressRules({ allowsLoopback: true });
  const fetcher = new BundleFetcher({ rules, clock: systemClock });
  const trustDomain = parseTrustDomain(TRUST_DOMAIN);
  return await fetcher.fetch({ url, trustDomain, trust }, new AbortController().signal);
}

function ownBundle() {
  const data = cluster.api.get(CONFIG_MAPS, 'signet-authority-state', 'signet')?.['data'];
  const text = (data as Record<string, string>)['document.json'] ?? '';
  return ownBundleOf(readState(JSON.parse(text), TRUST_DOMAIN));
}

test('FE-08, FE-28: the endpoint shows an X509-SVID that the authority role made for servers', async () => {
  const port = await launchEndpoint({ type: 'https_spiffe' });
  const own = ownBundle();
  const endpointId = parseSpiffeId(`spiffe://${TRUST_DOMAIN}/signet/bundle-endpoint`);
  const { x509Authorities: authorities } = own;
  const trust = { type: 'https_spiffe', endpointId, authorities } as const;
  const fetched = await fetchFrom(`https://127.0.0.1:${port}/`, trust);
  assert.equal(fetched.bundle.sequence, own.sequence);
  assert.equal(fetched.bundle.refreshHintSeconds, 300);
  assert.deepEqual(fetched.bundle.x509Authorities, authorities);
  assert.deepEqual([...fetched.bundle.jwtAuthorities.keys()], [...own.jwtAuthorities.keys()]);
  const secret = cluster.api.get(SECRETS, 'signet-bundle-endpoint', 'signet');
  const { 'document.json': base64 = '' } = (secret?.['data'] ?? {}) as Record<string, string>;
  const leaf = JSON.parse(Buffer.from(base64, 'base64').toString()) as {
    certificate: string;
    notBefore: number;
    notAfter: number;
  };
  assert.ok(leaf.notAfter - leaf.notBefore <= 24 * 3600 + 60);
  // serverAuth and no clientAuth: its key opens no door.
  const der = Buffer.from(leaf.certificate, 'base64').toString('hex');
  assert.ok(der.includes('06082b06010505070301') && !der.includes('06082b06010505070302'));
});

test('FE-14: with https_web it shows the files of the operator', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'signet-endpoint-'));
  try {
    const web = new TestCa('web.test');
    const { chain, privateKey } = web.svid('/x', { uris: [], dnsNames: ['localhost'] });
    writeFileSync(join(directory, 'tls.crt'), chain.map(formatPemCertificate).join(''));
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
    writeFileSync(join(directory, 'tls.key'), key);
    const port = await launchEndpoint({ type: 'https_web', directory });
    const trust = { type: 'https_web', ca: formatPemCertificate(web.certificate) } as const;
    const fetched = await fetchFrom(`https://localhost:${port}/`, trust);
    assert.equal(fetched.bundle.sequence, ownBundle().sequence);
    const reason = 'NotAuthenticated';
    await assert.rejects(fetchFrom(`https://127.0.0.1:${port}/`, trust), { reason });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
