// Revocation lists on their way to workloads: a set is taken whole or not at all, and never goes back.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { silentLogger } from '../../../src/base/log.ts';
import { newerCrls } from '../../../src/node/issuer-crls.ts';
import type { WorkloadBundle } from '../../../src/node/svid/pod-answer.ts';
import {
  type ServedAnswer,
  sameBundles,
  sameJwtBundles,
  x509Bundles,
  x509Svids,
} from '../../../src/node/workload/workload-messages.ts';
import { signCrl } from '../../../src/spiffe/crl/crl-signing.ts';
import { HOUR, intermediate, root, trustDomain } from '../spiffe/authority/issuing-authority.ts';
import { NOW } from '../spiffe/certificate/forged-certificate.ts';

const list = (number: bigint, signer = intermediate) =>
  signCrl(signer, { number, thisUpdate: NOW, nextUpdate: NOW + HOUR, revoked: [] });
const newer = (held: readonly Uint8Array[], given: readonly Uint8Array[]) =>
  newerCrls(held, given, silentLogger);

suite('WA-05: of two sets the newer is taken', () => {
  const ofRoot = list(1n, root);
  const older = [list(5n), ofRoot];
  const latest = [list(6n), ofRoot];
  test('WA-05: and an older one is not', () => {
    assert.deepEqual(
      newer(older, latest).map((der) => Buffer.from(der)),
      latest.map((der) => Buffer.from(der)),
    );
    assert.equal(newer(latest, older), latest);
  });
  test('WA-05: the same again is the same object, and no change', () => {
    assert.equal(
      newer(
        older,
        older.map((der) => Uint8Array.from(der)),
      ),
      older,
    );
  });
  test('WA-05: none takes nothing away', () => {
    assert.equal(newer(older, []), older);
    assert.deepEqual(newer([], []), []);
  });
  test('WA-05: one list that cannot be read makes the set unusable', () => {
    const cut = list(9n).subarray(1);
    assert.equal(newer(older, [list(9n), cut]), older);
    assert.equal(
      newer(
        older,
        Array.from({ length: 65 }, () => list(9n)),
      ),
      older,
    );
  });
});

suite('PF-10: in messages', () => {
  const bundle = (crls: readonly Uint8Array[]): WorkloadBundle => ({
    trustDomain,
    sequence: 1n,
    x509: Buffer.from('roots'),
    jwks: Buffer.from('{}'),
    rootNames: new Set(),
    crls,
  });
  const served = (own: WorkloadBundle): ServedAnswer => ({
    kind: 'served',
    identities: [],
    own,
    federated: [],
  });
  const without = served(bundle([]));
  const crls = [list(6n), list(1n, root)];
  const having = served(bundle(crls));
  test('PF-10: the set is in both X.509 answers, or nothing is', () => {
    assert.deepEqual([x509Svids(having).crl, x509Bundles(having).crl], [crls, crls]);
    assert.deepEqual([x509Svids(without).crl, x509Bundles(without).crl], [[], []]);
  });
  test('PF-10: another set is another answer, but not one of JWT bundles', () => {
    assert.equal(sameBundles(without, having), false);
    assert.equal(sameJwtBundles(without, having), true);
  });
});
