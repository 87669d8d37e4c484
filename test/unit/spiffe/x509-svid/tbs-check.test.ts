// The last look before a signature finds every difference between what was asked and what would be
// signed, whichever side is wrong.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { CodedError } from '../../../../src/base/errors.ts';
import { signatureAlgorithmOf } from '../../../../src/spiffe/certificate/signature-algorithm.ts';
import { DerReader } from '../../../../src/spiffe/der/der-reader.ts';
import { constructedContextTag, TAG } from '../../../../src/spiffe/der/der-tag.ts';
import { element, encodeDer, sequence } from '../../../../src/spiffe/der/der-writer.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';
import {
  type IssuingProfile,
  type SvidFields,
  SvidTemplate,
} from '../../../../src/spiffe/x509-svid/svid-template.ts';
import { checkTbsIsAsAsked } from '../../../../src/spiffe/x509-svid/tbs-check.ts';
import { parseWorkloadPublicKey } from '../../../../src/spiffe/x509-svid/workload-public-key.ts';
import { extension, NOW, newKeys, pointOf } from '../certificate/forged-certificate.ts';

const keys = newKeys();
const profile: IssuingProfile = {
  issuer: Uint8Array.of(0x30, 0),
  authorityKeyIdentifier: Uint8Array.of(1, 2, 3),
  signatureAlgorithm: signatureAlgorithmOf(keys.privateKey).identifier,
  organization: 'Signet',
};
const fields: SvidFields = {
  serialNumber: new Uint8Array(16).fill(1),
  publicKey: parseWorkloadPublicKey(pointOf(keys.publicKey)),
  spiffeId: parseSpiffeId('spiffe://example.org/a'),
  dnsNames: ['a.test'],
  commonName: 'agent',
  notBefore: NOW,
  notAfter: NOW + 1000,
};
const tbs = new SvidTemplate(profile).tbsCertificate(fields);
const differs = (field: string) => (thrown: unknown) =>
  thrown instanceof CodedError &&
  thrown.code === 'internal' &&
  thrown.message === `certificate to sign: ${field} is not as asked`;

test('what the template makes passes', () => checkTbsIsAsAsked(tbs, fields, profile));

suite('a difference in the request', () => {
  const otherKey = parseWorkloadPublicKey(pointOf(newKeys().publicKey));
  const cases: readonly [field: string, change: Partial<SvidFields>][] = [
    ['serial number', { serialNumber: new Uint8Array(16).fill(2) }],
    ['SPIFFE ID', { spiffeId: parseSpiffeId('spiffe://example.org/b') }],
    ['DNS names', { dnsNames: [] }],
    ['DNS names', { dnsNames: ['b.test'] }],
    ['subject', { commonName: '' }],
    ['subject', { commonName: 'other' }],
    ['notBefore', { notBefore: NOW - 1000 }],
    ['notAfter', { notAfter: NOW + 2000 }],
    ['public key', { publicKey: otherKey }],
    ['key usage', { publicKey: { ...fields.publicKey, type: 'rsa' } }],
    ['subject key identifier', { publicKey: { ...fields.publicKey, key: otherKey.key } }],
  ];
  for (const [field, change] of cases) {
    test(`${field}: ${Object.keys(change).join()}`, () => {
      assert.throws(
        () => checkTbsIsAsAsked(tbs, { ...fields, ...change }, profile),
        differs(field),
      );
    });
  }
});

suite('a difference in the authority', () => {
  const cases: readonly [field: string, change: Partial<IssuingProfile>][] = [
    ['issuer', { issuer: Uint8Array.of(0x30, 2, 0x31, 0) }],
    ['authority key identifier', { authorityKeyIdentifier: Uint8Array.of(1, 2, 4) }],
    ['signature algorithm', { signatureAlgorithm: Uint8Array.of(0x30, 0) }],
    ['subject', { organization: 'Other' }],
  ];
  for (const [field, change] of cases) {
    test(field, () => {
      assert.throws(
        () => checkTbsIsAsAsked(tbs, fields, { ...profile, ...change }),
        differs(field),
      );
    });
  }
});

const EXTENSIONS = constructedContextTag(3);
const partTag = (parts: DerReader) =>
  [constructedContextTag(0), TAG.INTEGER, TAG.SEQUENCE].find((tag) => parts.isNext(tag)) ?? 0;

suite('a difference in the bytes', () => {
  const replaced = (from: string, to: string) => {
    const hex = Buffer.from(tbs).toString('hex');
    assert.ok(hex.includes(from), `${from} is in the template`);
    return Buffer.from(hex.replace(from, to), 'hex');
  };
  const cases: readonly [field: string, from: string, to: string][] = [
    ['criticality of key usage', '0603551d0f0101ff', '0603551d0f010100'],
    ['criticality of cA', '0603551d130101ff', '0603551d13010100'],
    ['key usage', '040403020780', '040403020106'],
    ['extended key usage', '06082b06010505070302', '06082b06010505070303'],
    ['SPIFFE ID', Buffer.from('org/a').toString('hex'), Buffer.from('org/b').toString('hex')],
    // The DNS name becomes a second URI.
    [
      'SPIFFE ID',
      `8206${Buffer.from('a.test').toString('hex')}`,
      `8606${Buffer.from('a.test').toString('hex')}`,
    ],
    // The DNS name becomes an e-mail address.
    [
      'other names',
      `8206${Buffer.from('a.test').toString('hex')}`,
      `8106${Buffer.from('a.test').toString('hex')}`,
    ],
    // The authority key identifier becomes an extension that nobody asked for.
    ['authority key identifier', '0603551d23', '0603551d63'],
  ];
  for (const [field, from, to] of cases) {
    test(`${field}: ${from}`, () => {
      assert.throws(() => checkTbsIsAsAsked(replaced(from, to), fields, profile), differs(field));
    });
  }
  test('number of extensions: one that nobody asked for', () => {
    const parts = new DerReader(tbs, 'certificate').enter(TAG.SEQUENCE, 'certificate');
    const before: Uint8Array[] = [];
    while (!parts.isNext(EXTENSIONS)) before.push(parts.element(partTag(parts)));
    const list = parts.enter(EXTENSIONS, 'extensions').content(TAG.SEQUENCE);
    const more = extension('2a03', false, sequence());
    const tagged = element(EXTENSIONS, sequence(list, more));
    assert.throws(
      () => checkTbsIsAsAsked(encodeDer(sequence(...before, tagged)), fields, profile),
      differs('number of extensions'),
    );
  });
  test('no changed byte goes unnoticed', () => {
    for (let at = 0; at < tbs.length; at += 1) {
      const mutated = Uint8Array.from(tbs);
      mutated[at] = (mutated[at] ?? 0) ^ 0x01;
      assert.throws(() => checkTbsIsAsAsked(mutated, fields, profile), CodedError, `offset ${at}`);
    }
  });
});
