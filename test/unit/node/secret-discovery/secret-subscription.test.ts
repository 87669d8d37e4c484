// What a stream of secret discovery is told next, by what it said and was told before.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import type { SecretRequest } from '../../../../src/node/secret-discovery/secret-request.ts';
import { SecretSubscription } from '../../../../src/node/secret-discovery/secret-subscription.ts';
import type { NamedSecret } from '../../../../src/node/secret-discovery/secrets.ts';

const request = (names: readonly string[], nonce = '', more: Partial<SecretRequest> = {}) => ({
  names,
  nonce,
  validation: undefined,
  rejection: undefined,
  ...more,
});
const secret = (name: string, version = 1): NamedSecret => ({
  name,
  digest: `${name}${version}`,
  resource: create(AnySchema, { typeUrl: name }),
});
const namesIn = (response: ReturnType<SecretSubscription['respond']>) =>
  response?.resources?.map(({ typeUrl }) => typeUrl);

test('a secret is given once for each of its versions', () => {
  const stream = new SecretSubscription();
  assert.ok(stream.accept(request(['a', 'b'])));
  const first = stream.respond([secret('a'), secret('b')]);
  assert.deepEqual(namesIn(first), ['a', 'b']);
  assert.equal(stream.respond([secret('a'), secret('b')]), undefined);
  const second = stream.respond([secret('a'), secret('b', 2)]);
  assert.deepEqual(namesIn(second), ['b']);
  assert.notEqual(second?.nonce, first?.nonce);
  assert.notEqual(second?.versionInfo, first?.versionInfo);
});

test('nothing is given while nothing is there, and late names when they are', () => {
  const stream = new SecretSubscription();
  stream.accept(request(['a']));
  assert.equal(stream.respond([]), undefined);
  assert.deepEqual(namesIn(stream.respond([secret('a')])), ['a']);
});

test('what is rejected is not given again until it differs', () => {
  const stream = new SecretSubscription();
  stream.accept(request(['a']));
  const nonce = stream.respond([secret('a')])?.nonce ?? '';
  assert.ok(stream.accept(request(['a'], nonce, { rejection: 'no' })));
  assert.equal(stream.respond([secret('a')]), undefined);
  assert.deepEqual(namesIn(stream.respond([secret('a', 2)])), ['a']);
});

test('a request about an older response changes nothing', () => {
  const stream = new SecretSubscription();
  stream.accept(request(['a']));
  const old = stream.respond([secret('a')])?.nonce ?? '';
  const now = stream.respond([secret('a', 2)])?.nonce ?? '';
  assert.equal(stream.accept(request(['b'], old)), false);
  assert.deepEqual(stream.names, ['a']);
  assert.ok(stream.accept(request(['b'], now)));
  assert.deepEqual(stream.names, ['b']);
  assert.equal(stream.accept(request(['c'], 'made up')), false);
});

test('a name that is dropped and named again is given again', () => {
  const stream = new SecretSubscription();
  stream.accept(request(['a', 'b']));
  stream.respond([secret('a'), secret('b')]);
  stream.accept(request(['a']));
  assert.equal(stream.respond([secret('a')]), undefined);
  stream.accept(request(['a', 'b']));
  assert.deepEqual(namesIn(stream.respond([secret('a'), secret('b')])), ['b']);
});

test('no names are everything at first, and nothing after there were some', () => {
  const everything = new SecretSubscription();
  everything.accept(request([]));
  assert.equal(everything.names, undefined);
  everything.respond([secret('a')]);
  assert.deepEqual([...everything.given], ['a']);
  const nothing = new SecretSubscription();
  nothing.accept(request(['a']));
  nothing.respond([secret('a')]);
  nothing.accept(request([]));
  assert.deepEqual(nothing.names, []);
  assert.deepEqual([...nothing.given], []);
});

test('a request without a node keeps the validation of the first', () => {
  const stream = new SecretSubscription();
  assert.equal(stream.validation, 'authorities');
  stream.accept(request(['a'], '', { validation: 'spiffe' }));
  stream.accept(request(['a']));
  assert.equal(stream.validation, 'spiffe');
});

test('the same secrets have the same version on every stream', () => {
  const version = () => {
    const stream = new SecretSubscription();
    stream.accept(request(['a']));
    return stream.respond([secret('a')])?.versionInfo;
  };
  assert.match(version() ?? '', /^[0-9a-f]{16}$/);
  assert.equal(version(), version());
});
