// What an Envoy may ask for, and how.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  readSecretRequest,
  SECRET_TYPE_URL,
} from '../../../../src/node/secret-discovery/secret-request.ts';
import { DiscoveryRequestSchema } from '../../../../src/transport/gen/envoy/service/discovery/v3/discovery_pb.ts';

type Init = MessageInitShape<typeof DiscoveryRequestSchema>;
const read = (init: Init) => readSecretRequest(create(DiscoveryRequestSchema, init));

test('the type is the secret’s, in Envoy’s own spelling', () => {
  assert.equal(
    SECRET_TYPE_URL,
    'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  );
});

test('a request is read: names once each, nonce, rejection', () => {
  const request = read({
    typeUrl: SECRET_TYPE_URL,
    resourceNames: ['default', 'spiffe://example.org/a', 'default', 'spiffe://example.org'],
    responseNonce: '7',
    errorDetail: { code: 13, message: 'no' },
  });
  assert.deepEqual(request, {
    names: ['default', 'spiffe://example.org/a', 'spiffe://example.org'],
    validation: undefined,
    nonce: '7',
    rejection: 'no',
  });
  assert.equal(read({}).rejection, undefined);
});

test('why it was rejected is cut short, and stays text', () => {
  const message = `${'x'.repeat(255)}😀${'y'.repeat(60_000)}`;
  const rejection = read({ errorDetail: { message } }).rejection ?? '';
  assert.equal(rejection.length, 256);
  assert.ok(rejection.isWellFormed());
});

const REFUSED: readonly (readonly [string, Init, RegExp])[] = [
  [
    'another type',
    { typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' },
    /^type_url:/,
  ],
  [
    '129 names',
    { resourceNames: Array.from({ length: 129 }, (_, at) => `spiffe://example.org/${at}`) },
    /^resource_names: more than 128/,
  ],
  ['a name that is no ID', { resourceNames: ['kubernetes://cert'] }, /^resource_names: neither/],
  ['an empty name', { resourceNames: [''] }, /^resource_names: neither/],
  ['a name in other case', { resourceNames: ['rootca'] }, /^resource_names: neither/],
  [
    'a long name',
    { resourceNames: [`spiffe://a/${'x'.repeat(2048)}`] },
    /^resource_names: neither/,
  ],
  ['a long nonce', { responseNonce: 'x'.repeat(129) }, /^response_nonce: over/],
];
for (const [name, init, message] of REFUSED) {
  test(`${name} is refused`, () => {
    assert.throws(() => read(init), { code: 'invalid-argument', message });
  });
}

test('128 names are read', () => {
  const resourceNames = Array.from({ length: 128 }, (_, at) => `spiffe://example.org/${at}`);
  assert.equal(read({ resourceNames }).names.length, 128);
});

const version = (majorNumber: number, minorNumber: number) => ({
  userAgentVersionType: {
    case: 'userAgentBuildVersion' as const,
    value: { version: { majorNumber, minorNumber } },
  },
});
const VALIDATIONS: readonly (readonly [string, Init['node'], string | undefined])[] = [
  ['no node', undefined, undefined],
  ['a node without a version', { id: 'x' }, 'authorities'],
  [
    'a version in words',
    { userAgentVersionType: { case: 'userAgentVersion', value: '9' } },
    'authorities',
  ],
  ['Envoy 1.17', version(1, 17), 'authorities'],
  ['Envoy 1.18', version(1, 18), 'spiffe'],
  ['Envoy 1.40', version(1, 40), 'spiffe'],
  ['Envoy 2.0', version(2, 0), 'spiffe'],
  [
    'a wish as a boolean',
    { ...version(1, 40), metadata: { disable_spiffe_cert_validation: true } },
    'authorities',
  ],
  [
    'a wish as text',
    { ...version(1, 40), metadata: { disable_spiffe_cert_validation: 'true' } },
    'authorities',
  ],
  [
    'no such wish',
    { ...version(1, 40), metadata: { disable_spiffe_cert_validation: false } },
    'spiffe',
  ],
  [
    'a wish that is neither',
    { ...version(1, 40), metadata: { disable_spiffe_cert_validation: 1 } },
    'spiffe',
  ],
];
for (const [name, node, expected] of VALIDATIONS) {
  test(`W6: ${name}: ${expected ?? 'as before'}`, () => {
    assert.equal(read(node === undefined ? {} : { node }).validation, expected);
  });
}
