// What objects declare: classes, conflicts, our own trust domain, objects that cannot be read.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Declared, declaredIn } from '../../../src/federation/relationships.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { bundleOf, OWN, objectOf } from './fixtures.ts';

const declare = (...objects: readonly JsonObject[]) =>
  declaredIn(objects, {
    ownTrustDomain: OWN,
    servesClass: (name) => name === '' || name === 'ours',
  });

const reasonOf = (declared: Declared | undefined) =>
  declared?.kind === 'refused' ? declared.reason : declared?.kind;

test('D6: objects of a class that is not served are left alone, read or not', () => {
  const declared = declare(
    objectOf('a.test', { className: 'ours' }),
    objectOf('b.test', { className: 'theirs' }),
    objectOf('not a name', { name: 'c', className: 'theirs' }),
  );
  assert.deepEqual([...declared.values()].map(reasonOf), ['foreign', 'foreign', 'relationship']);
  assert.equal(reasonOf(declared.get('a.test')), 'relationship');
});

test('D7: of two for one trust domain the older one holds, then the lower UID', () => {
  const older = objectOf('a.test', { name: 'z', created: '2026-01-01T00:00:00Z', uid: '9' });
  const younger = objectOf('a.test', { name: 'a', created: '2026-01-02T00:00:00Z', uid: '1' });
  const twin = objectOf('a.test', { name: 'y', created: '2026-01-01T00:00:00Z', uid: '5' });
  const two = declare(younger, older);
  assert.equal(reasonOf(two.get('z')), 'relationship');
  assert.equal(reasonOf(two.get('a')), 'Masked');
  const three = declare(younger, older, twin);
  assert.equal(reasonOf(three.get('y')), 'relationship');
  assert.equal(reasonOf(three.get('z')), 'Masked');
  const { message = '' } = three.get('z') as { message?: string };
  assert.match(message, /y declares a\.test already/);
});

test('our own trust domain is not federated with', () => {
  assert.equal(reasonOf(declare(objectOf(OWN)).get(OWN)), 'OwnTrustDomain');
});

test('FE-10, FE-25: profile, URL and name are given, none is guessed from another', () => {
  const object = objectOf('a.test', { endpointId: 'spiffe://b.test/endpoint' });
  const declared = declare(object).get('a.test');
  assert.ok(declared?.kind === 'relationship');
  const { url, profile, trustDomain } = declared.relationship;
  assert.deepEqual(
    { url, profile, trustDomain },
    {
      url: 'https://a.test/bundle',
      trustDomain: 'a.test',
      profile: { type: 'https_spiffe', endpointId: 'spiffe://b.test/endpoint' },
    },
  );
  for (const missing of ['trustDomain', 'bundleEndpointURL', 'bundleEndpointProfile']) {
    const spec = { ...(object['spec'] as JsonObject) };
    delete (spec as Record<string, unknown>)[missing];
    assert.equal(reasonOf(declare({ ...object, spec }).get('a.test')), 'Invalid', missing);
  }
});

test('FE-12: a URL with a user name, or not over https, declares nothing', () => {
  for (const url of ['http://a.test/', 'https://u@a.test/', 'https://u:p@a.test/', 'https:///x']) {
    assert.equal(reasonOf(declare(objectOf('a.test', { url })).get('a.test')), 'Invalid', url);
  }
});

test('FE-13: https_web needs nothing further', () => {
  assert.equal(reasonOf(declare(objectOf('a.test')).get('a.test')), 'relationship');
});

test('FE-26: a bundle to begin with is read in the form of a SPIFFE bundle', () => {
  const bootstrap = bundleOf('a.test', { sequence: 3 });
  const declared = declare(objectOf('a.test', { bootstrap })).get('a.test');
  assert.ok(declared?.kind === 'relationship');
  assert.equal(declared.relationship.bootstrap?.sequence, 3);
  assert.equal(declared.relationship.bootstrap?.x509Authorities.length, 1);
  assert.match(declared.relationship.bootstrapDigest, /^[0-9a-f]{64}$/);
  assert.equal(reasonOf(declare(objectOf('a.test', { bootstrap: '{' })).get('a.test')), 'Invalid');
});
