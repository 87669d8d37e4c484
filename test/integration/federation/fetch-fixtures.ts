// A peer over real HTTPS, and a fetcher of its bundle.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { AddressRules } from '../../../src/federation/address-rules.ts';
import { BundleFetcher, type FetchRequest } from '../../../src/federation/bundle-fetch.ts';
import type { EndpointTrust } from '../../../src/federation/endpoint-tls.ts';
import { documentOf } from '../../../src/federation/federated-bundle.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import { bundleOf } from '../../unit/federation/fixtures.ts';
import { answerWith, PeerServer } from './peer-server.ts';

const trustDomain = parseTrustDomain('peer.test');
export const ca = new TestCa('peer.test');
export const intermediate = ca.intermediate();
export const endpoint = intermediate.svid('/endpoint', { dnsNames: ['localhost', 'peer.test'] });
const endpointId = parseSpiffeId(endpoint.spiffeId);
export const bundle = bundleOf('peer.test', { sequence: 5, hint: 60, ca });
export const spiffe = {
  type: 'https_spiffe',
  endpointId,
  authorities: [ca.certificate],
} as const satisfies EndpointTrust;
export const web: EndpointTrust = { type: 'https_web', ca: formatPemCertificate(ca.certificate) };

/** Names that no resolver knows. */
const HOSTS: Readonly<Record<string, readonly string[]>> = {
  localhost: ['127.0.0.1'],
  'peer.test': ['127.0.0.1'],
  'metadata.test': ['169.254.169.254'],
  'private.test': ['10.1.2.3'],
  'mixed.test': ['127.0.0.1', '169.254.169.254'],
  'dead-and-alive.test': ['127.0.0.9', '127.0.0.1'],
};

export let server: PeerServer;
export let resolved: string[];
let fetcher: BundleFetcher;

/** A peer that answers with its bundle, whatever the test before made it do. */
export function usePeer(): void {
  before(async () => {
    server = await PeerServer.start(endpoint, answerWith(documentOf(bundle)));
  });
  after(async () => await server.stop());
  beforeEach(() => {
    resolved = [];
    fetcher = fetcherWith({});
  });
  afterEach(() => {
    server.respond = answerWith(documentOf(bundle));
    server.show(endpoint);
    server.requests.length = 0;
  });
}

/** Replaces the fetcher until the test's end. */
export function fetchWith(options: Parameters<typeof fetcherWith>[0]): void {
  fetcher = fetcherWith(options);
}

function fetcherWith({ allowsLoopback = true, timeoutMs = 5000 }) {
  return new BundleFetcher({
    rules: new AddressRules({ allowsLoopback }),
    clock: systemClock,
    timeoutMs,
    resolve: async (host) => {
      resolved.push(host);
      return HOSTS[host] ?? [];
    },
  });
}

export async function get(more: Partial<FetchRequest> = {}) {
  const signal = new AbortController().signal;
  return await fetcher.fetch({ url: server.url(), trustDomain, trust: spiffe, ...more }, signal);
}

export async function refused(reason: string, more: Partial<FetchRequest> = {}): Promise<string> {
  try {
    await get(more);
  } catch (thrown) {
    assert.ok(thrown instanceof CodedError, String(thrown));
    assert.equal(thrown.reason, reason, thrown.message);
    return thrown.message;
  }
  assert.fail(`must be refused: ${reason}`);
}
