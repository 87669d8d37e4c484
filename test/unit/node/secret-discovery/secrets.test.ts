// Names of secret discovery, and the secrets they stand for.

import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import {
  findSecret,
  namesOf,
  type Validation,
} from '../../../../src/node/secret-discovery/secrets.ts';
import type { ServedAnswer } from '../../../../src/node/workload/workload-messages.ts';
import {
  authorities,
  base64,
  bundleOf,
  identity,
  own,
  partner,
  served,
  text,
  unpacked,
  validatorBundles,
} from './fixtures.ts';

const a = await identity('/a');
const b = await identity('/b');
const renewed = await identity('/a');
const both = served([a, b], [bundleOf(partner)]);

function secretOf(name: string, answer: ServedAnswer, validation: Validation = 'spiffe') {
  const found = findSecret(name, answer, validation);
  assert.ok(found.kind === 'secret', `${name} is ${found.kind}`);
  return { ...found.secret, secret: unpacked(found.secret.resource) };
}

function certificateOf(name: string, answer: ServedAnswer) {
  const { type } = secretOf(name, answer).secret;
  assert.ok(type.case === 'tlsCertificate');
  const chain = authorities(text(type.value.certificateChain));
  return { chain, key: text(type.value.privateKey) };
}

function contextOf(name: string, answer: ServedAnswer, validation: Validation) {
  const { type } = secretOf(name, answer, validation).secret;
  assert.ok(type.case === 'validationContext');
  return type.value;
}

for (const [name, expected] of [
  ['default', a],
  [a.spiffeId, a],
  [b.spiffeId, b],
] as const) {
  test(`W6: ${name} is a chain and its key, under the name asked for`, () => {
    const { chain, key } = certificateOf(name, both);
    assert.equal(secretOf(name, both).secret.name, name);
    assert.deepEqual(Buffer.from(chain.join(''), 'base64').length > 0, true);
    assert.deepEqual(
      chain.map((each) => Buffer.from(each, 'base64')).reduce((x, y) => Buffer.concat([x, y])),
      Buffer.from(expected.chain),
    );
    const leaf = new X509Certificate(Buffer.from(chain[0] ?? '', 'base64'));
    assert.equal(leaf.subjectAltName, `URI:${expected.spiffeId}`);
    assert.ok(leaf.checkPrivateKey(createPrivateKey(key)));
  });
}

test('W6: ROOTCA and a trust domain’s ID are one bundle, for the validator that knows domains', () => {
  const ownOnly = new Map([['example.org', [base64(own.root)]]]);
  const partnerOnly = new Map([['partner.test', [base64(partner.root)]]]);
  for (const [name, expected] of [
    ['ROOTCA', ownOnly],
    ['spiffe://example.org', ownOnly],
    ['spiffe://partner.test', partnerOnly],
  ] as const) {
    const context = contextOf(name, both, 'spiffe');
    assert.deepEqual(validatorBundles(context.customValidatorConfig), expected, name);
    assert.equal(context.trustedCa, undefined, name);
  }
});

test('W6: ALL is every bundle, each for its own trust domain', () => {
  const { customValidatorConfig } = contextOf('ALL', both, 'spiffe');
  assert.deepEqual(
    validatorBundles(customValidatorConfig),
    new Map([
      ['example.org', [base64(own.root)]],
      ['partner.test', [base64(partner.root)]],
    ]),
  );
});

test('W6: for the default validator a bundle is a set of authorities', () => {
  for (const [name, authority] of [
    ['ROOTCA', own],
    ['spiffe://example.org', own],
    ['spiffe://partner.test', partner],
  ] as const) {
    const context = contextOf(name, both, 'authorities');
    assert.deepEqual(authorities(text(context.trustedCa)), [base64(authority.root)], name);
    assert.equal(context.customValidatorConfig, undefined, name);
  }
  const alone = contextOf('ALL', served([a]), 'authorities');
  assert.deepEqual(authorities(text(alone.trustedCa)), [base64(own.root)]);
});

test('authorities of two trust domains are never one set', () => {
  assert.throws(() => findSecret('ALL', both, 'authorities'), {
    code: 'failed-precondition',
    message: /^resource_names: ALL has bundles of 2 trust domains/,
  });
});

const NOT_THERE = [
  'spiffe://example.org/c',
  'spiffe://example.org/a/b',
  'spiffe://other.test',
  'spiffe://other.test/a',
  'spiffe://partner.test/a',
  'rootca',
  'DEFAULT',
];
for (const name of NOT_THERE) {
  test(`${name} has no secret here`, () => {
    assert.deepEqual(findSecret(name, both, 'spiffe'), { kind: 'absent' });
  });
}

test('an identity that secret discovery is denied to is not given, nor another one for it', () => {
  const answer = served([{ ...a, sdsDenied: true }, b]);
  assert.deepEqual(findSecret('default', answer, 'spiffe'), { kind: 'denied' });
  assert.deepEqual(findSecret(a.spiffeId, answer, 'spiffe'), { kind: 'denied' });
  assert.equal(findSecret(b.spiffeId, answer, 'spiffe').kind, 'secret');
  assert.deepEqual(namesOf(answer), [b.spiffeId, 'spiffe://example.org']);
});

test('all names: identities by their IDs, bundles by their domains’', () => {
  assert.deepEqual(namesOf(both), [
    a.spiffeId,
    b.spiffeId,
    'spiffe://example.org',
    'spiffe://partner.test',
  ]);
});

test('a digest differs when, and only when, what is handed out does', () => {
  const digest = (name: string, answer: ServedAnswer, validation: Validation = 'spiffe') =>
    secretOf(name, answer, validation).digest;
  assert.equal(digest('default', both), digest('default', served([a])));
  assert.notEqual(digest('default', both), digest('default', served([renewed])));
  assert.equal(digest('ROOTCA', both), digest('ROOTCA', served([b])));
  assert.notEqual(digest('ALL', both), digest('ALL', served([a])));
  assert.notEqual(digest('ROOTCA', both), digest('ROOTCA', both, 'authorities'));
});

test('W6: revocation lists go to the default validator, which reads them, all or none', () => {
  const crls = [Buffer.from('first'), Buffer.from('second')];
  const listed = { ...served([a], []), own: { ...bundleOf(own), crls } };
  const plain = contextOf('ROOTCA', listed, 'authorities');
  assert.match(
    text(plain.crl),
    /^(-----BEGIN X509 CRL-----\n[\s\S]+?-----END X509 CRL-----\n){2}$/,
  );
  assert.equal(contextOf('ROOTCA', both, 'authorities').crl, undefined);
  const unlisted = served([a], []);
  const digests = (validation: Validation) =>
    [listed, unlisted].map((answer) => secretOf('ROOTCA', answer, validation).digest);
  assert.notEqual(...(digests('authorities') as [string, string]));
  assert.equal(...(digests('spiffe') as [string, string]));
});
