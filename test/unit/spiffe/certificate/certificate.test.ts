// The strict reader: a valid certificate, and the same with one part wrong.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { CodedError } from '../../../../src/base/errors.ts';
import {
  MAX_CERTIFICATE_BYTES,
  readCertificate,
  splitCertificates,
} from '../../../../src/spiffe/certificate/certificate.ts';
import { EXTENSION, PURPOSE } from '../../../../src/spiffe/certificate/oid.ts';
import { constructedContextTag, contextTag, TAG } from '../../../../src/spiffe/der/der-tag.ts';
import {
  type Der,
  element,
  objectIdentifier,
  primitive,
  sequence,
} from '../../../../src/spiffe/der/der-writer.ts';
import {
  basicConstraints,
  dns,
  extension,
  forge,
  integer,
  keyUsage,
  leafExtensions,
  NOW,
  party,
  type Shape,
  subjectAltName,
  uri,
} from './forged-certificate.ts';

const issuer = party('issuer');
const subject = party('subject');
const NULL = primitive(TAG.NULL, new Uint8Array(0));
const refused = (rule: RegExp) => (thrown: unknown) =>
  thrown instanceof CodedError && thrown.code === 'invalid-argument' && rule.test(thrown.message);
const certificate = (shape: Shape = {}) =>
  forge(subject, issuer, { extensions: leafExtensions(), ...shape });

test('reads what stands in the DER', () => {
  const extensions = [
    basicConstraints(true, 3),
    keyUsage(0x86),
    extension(
      EXTENSION.EXTENDED_KEY_USAGE,
      false,
      sequence(objectIdentifier(PURPOSE.CLIENT_AUTH), objectIdentifier(PURPOSE.SERVER_AUTH)),
    ),
    extension(
      EXTENSION.SUBJECT_KEY_IDENTIFIER,
      false,
      primitive(TAG.OCTET_STRING, Uint8Array.of(1, 2)),
    ),
    extension(
      EXTENSION.AUTHORITY_KEY_IDENTIFIER,
      false,
      sequence(
        primitive(contextTag(0), Uint8Array.of(3)),
        primitive(contextTag(2), Uint8Array.of(9)),
      ),
    ),
    subjectAltName(
      dns('b.test'),
      uri('spiffe://example.org/a'),
      primitive(contextTag(7), Uint8Array.of(10, 0, 0, 1)),
      dns('a.test'),
      uri('https://example.org'),
    ),
    extension('2a03', false, NULL),
  ];
  const der = certificate({ extensions, serialNumber: integer(0, 0xff), notAfter: NOW + 5000 });
  const read = readCertificate(der);
  const node = new X509Certificate(der);
  assert.equal(Buffer.from(read.serialNumber).toString('hex'), 'ff');
  assert.equal(read.notBefore, node.validFromDate.getTime());
  assert.equal(read.notAfter, NOW + 5000);
  assert.deepEqual(
    Buffer.from(read.subjectPublicKeyInfo),
    node.publicKey.export({ type: 'spki', format: 'der' }),
  );
  assert.deepEqual(read.extensions.basicConstraints, { ca: true, pathLength: 3 });
  assert.equal(read.extensions.keyUsage, 0x86);
  assert.deepEqual(read.extensions.extendedKeyUsage, [PURPOSE.CLIENT_AUTH, PURPOSE.SERVER_AUTH]);
  assert.deepEqual([...(read.extensions.subjectKeyIdentifier ?? [])], [1, 2]);
  assert.deepEqual([...(read.extensions.authorityKeyIdentifier ?? [])], [3]);
  assert.deepEqual(read.extensions.alternativeNames, {
    uris: ['spiffe://example.org/a', 'https://example.org'],
    dnsNames: ['b.test', 'a.test'],
    others: 1,
  });
  assert.equal(read.extensions.critical.get(EXTENSION.KEY_USAGE), true);
  assert.equal(read.extensions.critical.get('2a03'), false);
});

test('X5-27 a name that looks like two in a display string is one', () => {
  const trap = 'spiffe://example.org/a, DNS:evil.test';
  const der = certificate({ extensions: [subjectAltName(dns(trap))] });
  assert.deepEqual(readCertificate(der).extensions.alternativeNames.dnsNames, [trap]);
});

suite('refused', () => {
  const withSan = (...names: readonly Der[]): Shape => ({
    extensions: [subjectAltName(...names)],
  });
  const repeat = [...leafExtensions(), keyUsage(0x80)];
  const cases: readonly [name: string, shape: Shape, rule: RegExp][] = [
    ['version 1', { version: new Uint8Array(0) }, /has tag 2, not 160/],
    ['version 2', { version: element(constructedContextTag(0), integer(1)) }, /version: must be 3/],
    ['a negative serial number', { serialNumber: integer(0x80) }, /negative/],
    ['a serial number of 21 octets', { serialNumber: integer(...Array(21).fill(1)) }, /20 octets/],
    [
      'another algorithm inside',
      { signedAlgorithm: sequence(objectIdentifier('2a03')) },
      /differs/,
    ],
    ['another algorithm outside', { algorithm: sequence(objectIdentifier('2a03')) }, /differs/],
    ['bytes in the validity', { validityTail: NULL }, /validity: has trailing/],
    ['bytes after the extensions', { tbsTail: NULL }, /trailing/],
    ['bytes after the signature', { tail: NULL }, /trailing/],
    ['X5-28 an extension twice', { extensions: repeat }, /551d0f: present twice/],
    [
      'an unknown critical extension',
      { extensions: [extension('2a03', true, NULL)] },
      /understood/,
    ],
    [
      'critical name constraints',
      { extensions: [extension(EXTENSION.NAME_CONSTRAINTS, true, sequence())] },
      /critical and not understood/,
    ],
    [
      'bytes after an extension',
      { extensions: [sequence(objectIdentifier('2a03'), NULL)] },
      /tag 5/,
    ],
    [
      'bytes in a known extension',
      { extensions: [extension(EXTENSION.KEY_USAGE, true, element(TAG.SEQUENCE))] },
      /has tag 48/,
    ],
    [
      'bytes after the value of a known extension',
      {
        extensions: [extension(EXTENSION.BASIC_CONSTRAINTS, true, Uint8Array.of(0x30, 0, 0x05, 0))],
      },
      /extension: has trailing/,
    ],
    ['a path length without cA', { extensions: [basicConstraints(false, 0)] }, /without cA/],
    [
      'no purpose',
      { extensions: [extension(EXTENSION.EXTENDED_KEY_USAGE, false, sequence())] },
      /empty/,
    ],
    ['no name', withSan(), /subjectAltName: empty/],
    [
      'a URI with NUL',
      withSan(primitive(contextTag(6), Buffer.from('spiffe://a/b\0c'))),
      /printable ASCII/,
    ],
    [
      'a name of unknown type',
      withSan(primitive(contextTag(9), new Uint8Array(1))),
      /unknown type/,
    ],
    ['a name of universal type', withSan(primitive(TAG.UTF8_STRING, new Uint8Array(1))), /unknown/],
  ];
  for (const [name, shape, rule] of cases) {
    test(name, () => assert.throws(() => readCertificate(certificate(shape)), refused(rule)));
  }
  test('bytes after the certificate', () => {
    const der = Buffer.concat([certificate(), Uint8Array.of(0)]);
    assert.throws(() => readCertificate(der), refused(/trailing/));
  });
  test('more than 8 KiB', () => {
    const padding = primitive(TAG.OCTET_STRING, new Uint8Array(MAX_CERTIFICATE_BYTES));
    const der = certificate({ extensions: [extension('2a03', false, padding)] });
    assert.throws(() => readCertificate(der), refused(/exceed 8192/));
  });
});

suite('properties', () => {
  const der = certificate();
  test('a changed byte is refused with a coded error, or read without harm', () => {
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const mutated = Uint8Array.from(der);
        mutated[at] = (mutated[at] ?? 0) ^ change;
        try {
          readCertificate(mutated);
        } catch (thrown) {
          assert.ok(thrown instanceof CodedError);
        }
      }),
      { numRuns: 2000 },
    );
  });
  test('no cut certificate is read', () => {
    for (let length = 0; length < der.length; length += 1) {
      assert.throws(() => readCertificate(der.subarray(0, length)), refused(/./));
    }
  });
  test('WA-13 certificates one after the other come apart again', () => {
    fc.assert(
      fc.property(fc.nat(5), (count) => {
        const chain = Array.from({ length: count }, () => der);
        assert.deepEqual(
          splitCertificates(Buffer.concat(chain)).map((one) => Buffer.from(one)),
          chain.map((one) => Buffer.from(one)),
        );
      }),
    );
  });
});
