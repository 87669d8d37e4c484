// What is written, as bytes: the default identity alone, and only what there is.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFileRequest } from '../../../../src/base/file-attributes.ts';
import { fileSet, type ServedAnswer } from '../../../../src/node/files/file-set.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts';

const SEQUENCE = new Uint8Array([0x30, 0x00]);

function served(crls: readonly Uint8Array[]): ServedAnswer {
  const identity = (name: string, mark: number) => ({
    entryId: name,
    spiffeId: parseSpiffeId(`spiffe://example.org/${name}`),
    hint: '',
    federatesWith: [],
    jwtDenied: false,
    jwtSingleUse: false,
    sdsDenied: false,
    chain: Buffer.concat([SEQUENCE, SEQUENCE]),
    key: new Uint8Array([mark]),
    notBefore: 0,
    notAfter: 0,
  });
  const own = {
    trustDomain: parseTrustDomain('example.org'),
    sequence: 1n,
    x509: SEQUENCE,
    jwks: new Uint8Array(),
    crls,
    rootNames: new Set<string>(),
  };
  return {
    kind: 'served',
    identities: [identity('first', 1), identity('second', 2)],
    own,
    federated: [],
  };
}

function texts(answer: ServedAnswer, tokens = new Map<string, string>()) {
  const request = readFileRequest({ 'signet.dev/files': 'true' });
  assert.ok(request !== undefined);
  const files = fileSet(request, answer, tokens);
  return {
    text: Object.fromEntries(files.map(({ name, bytes }) => [name, Buffer.from(bytes).toString()])),
    secrets: files.filter(({ secret }) => secret).map(({ name }) => name),
  };
}

test('the default identity, every certificate a block of its own; keys and tokens are secret', () => {
  const { text, secrets } = texts(served([]), new Map([['token', 'jwt']]));
  assert.deepEqual(Object.keys(text), ['tls.crt', 'tls.key', 'ca.crt', 'jwt_bundle.json', 'token']);
  const block = '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n';
  assert.equal(text['tls.crt'], block + block);
  assert.equal(text['ca.crt'], block);
  assert.equal(text['tls.key'], '-----BEGIN PRIVATE KEY-----\nAQ==\n-----END PRIVATE KEY-----\n');
  assert.equal(text['jwt_bundle.json'], '{}', 'an empty set of keys is left out');
  assert.deepEqual(secrets, ['tls.key', 'token']);
});

test('CRLs, where there are some', () => {
  const { text, secrets } = texts(served([SEQUENCE, SEQUENCE]));
  const block = '-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n';
  assert.equal(text['crl.pem'], block + block);
  assert.ok(!secrets.includes('crl.pem'));
});
