// What the parsers make of fixtures, beyond refusing.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseClusterFederatedTrustDomain } from '../../../src/crds/cluster-federated-trust-domain.ts';
import { parseClusterSpiffeId } from '../../../src/crds/cluster-spiffe-id-policy.ts';
import { parseClusterStaticEntry } from '../../../src/crds/cluster-static-entry.ts';
import { BUNDLE, makeFederated, makePolicy, makeStaticEntry } from './manifest-fixtures.ts';

suite('ClusterStaticEntry', () => {
  test('B1–B10 every field', () => {
    const { value } = parseClusterStaticEntry(
      makeStaticEntry({
        selectors: ['a:b', 'a:b', 'c:d'],
        federatesWith: ['spiffe://one.test/x', 'one.test'],
        x509SVIDTTL: '1999ms',
        jwtSVIDTTL: '6m',
        dnsNames: ['b', 'a'],
        hint: 'h',
        admin: true,
        className: 'c',
      }),
    );
    assert.deepEqual(value, {
      name: 'entry',
      uid: 'entry',
      generation: 0,
      creationTimestamp: 0,
      isDeleting: false,
      className: 'c',
      spiffeId: 'spiffe://example.org/batch',
      parentId: 'spiffe://example.org/spire/agent/one',
      selectors: ['a:b', 'c:d'],
      federatesWith: ['one.test'],
      x509TtlSeconds: 1,
      jwtTtlSeconds: 360,
      dnsNames: ['b', 'a'],
      hint: 'h',
      isAdmin: true,
      isDownstream: false,
      isStored: false,
    });
  });
});

suite('ClusterFederatedTrustDomain', () => {
  test('D4 D5 https_spiffe with a bundle', () => {
    const { value } = parseClusterFederatedTrustDomain(
      makeFederated({
        bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID: 'spiffe://p/s' },
        trustDomainBundle: BUNDLE,
      }),
    );
    assert.deepEqual(value?.profile, { type: 'https_spiffe', endpointId: 'spiffe://p/s' });
    assert.deepEqual([...(value?.bootstrapBundle?.bundle.jwtAuthorities.keys() ?? [])], ['one']);
  });
  test('D5 keys that cannot be used are named', () => {
    const trustDomainBundle = JSON.stringify({ keys: [{ use: 'other' }] });
    const { value, warnings } = parseClusterFederatedTrustDomain(
      makeFederated({ trustDomainBundle }),
    );
    assert.ok(value);
    assert.deepEqual(warnings, [
      'spec.trustDomainBundle: ignored keys[0]: use "other" is not known',
    ]);
  });
});

suite('claims of a ClusterSPIFFEID', () => {
  const parse = (name: string, allowed?: readonly string[]) =>
    parseClusterSpiffeId(makePolicy({ jwtClaimTemplates: { [name]: 'x' } }), allowed).value;
  const rows: readonly [string, readonly string[] | undefined, boolean][] = [
    ['agent_session', undefined, true],
    ['agent', undefined, false],
    ['team', ['team'], true],
    ['teams', ['team'], false],
    ['sub', ['*'], false],
    ['scope', ['scope'], false],
    ['Team', ['*'], false],
    ['a-b', ['*'], false],
    ['anything', [], false],
  ];
  for (const [name, allowed, isAllowed] of rows) {
    test(`${name} with ${allowed?.join(' ') ?? 'the default'}`, () => {
      assert.equal(parse(name, allowed) !== undefined, isAllowed);
    });
  }
});
