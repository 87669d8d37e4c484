// The envelope: what is read of it, and each thing that makes it no review.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { JsonObject, JsonValue } from '../../../../src/template/json-value.ts';
import { parseAdmissionReview } from '../../../../src/webhook/server/admission-review.ts';
import { MAX_JSON_DEPTH, parseBoundedJson } from '../../../../src/webhook/server/bounded-json.ts';
import { makeReview, podRequest } from './review-fixtures.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

suite('a review', () => {
  test('is read with all that decisions need', () => {
    const review = parseAdmissionReview(
      makeReview({ ...podRequest, subResource: 'ephemeralcontainers', dryRun: true }),
    );
    assert.deepEqual(review, {
      uid: podRequest.uid,
      operation: 'CREATE',
      kind: podRequest.kind,
      resource: 'pods',
      subResource: 'ephemeralcontainers',
      namespace: 'agents',
      object: podRequest.object,
      oldObject: null,
      dryRun: true,
    });
  });

  test('may leave out what Go leaves out when it is empty', () => {
    const { uid, operation } = podRequest;
    const kind = { version: 'v1', kind: 'Namespace' };
    const request = { uid, operation, kind, resource: { version: 'v1', resource: 'namespaces' } };
    const review = parseAdmissionReview(makeReview(request));
    assert.equal(review.kind.group, '');
    assert.equal(review.namespace, '');
    assert.equal(review.object, null);
    assert.equal(review.dryRun, false);
  });
});

suite('no review', () => {
  const cases: readonly (readonly [string, JsonValue, RegExp])[] = [
    ['a list', [], /^body: must be an object/],
    ['null', null, /^body: must be an object/],
    ['v1beta1', { ...makeReview(podRequest), apiVersion: 'admission.k8s.io/v1beta1' }, /^apiVers/],
    ['another kind', { ...makeReview(podRequest), kind: 'Review' }, /^kind: must be/],
    ['no request', { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' }, /^request: /],
    ['no uid', makeReview({ ...podRequest, uid: '' }), /^request\.uid: missing/],
    ['a uid that is none', makeReview({ ...podRequest, uid: 7 }), /^uid: must be a string/],
    ['a long uid', makeReview({ ...podRequest, uid: 'x'.repeat(254) }), /^uid: longer/],
    ['no operation', makeReview({ ...podRequest, operation: null }), /^request\.operation: /],
    ['another operation', makeReview({ ...podRequest, operation: 'create' }), /operation: not an/],
    ['a kind that is text', makeReview({ ...podRequest, kind: 'Pod' }), /^kind: must be an object/],
    ['no resource', makeReview({ ...podRequest, resource: null }), /^resource: must be an object/],
    ['an object that is text', makeReview({ ...podRequest, object: 'pod' }), /^object: must be/],
    ['an old object in a list', makeReview({ ...podRequest, oldObject: [] }), /^oldObject: must/],
    ['a dry run that is text', makeReview({ ...podRequest, dryRun: 'true' }), /^dryRun: must be/],
    ['a namespace in a list', makeReview({ ...podRequest, namespace: [] }), /^namespace: must be/],
  ];
  for (const [name, value, message] of cases) {
    test(name, () => {
      assert.throws(() => parseAdmissionReview(value), { code: 'invalid-argument', message });
    });
  }

  test('one with inherited members', () => {
    const inherited = Object.create(makeReview(podRequest)) as JsonObject;
    assert.throws(() => parseAdmissionReview(inherited), { code: 'invalid-argument' });
  });

  test('one whose members come through __proto__', () => {
    const text = JSON.stringify(makeReview(podRequest));
    const value = parseBoundedJson(bytes(`{"__proto__":${text}}`));
    assert.throws(() => parseAdmissionReview(value), { code: 'invalid-argument' });
  });
});

suite('bounded JSON', () => {
  const nested = (depth: number, open = '[', close = ']') =>
    bytes(open.repeat(depth) + close.repeat(depth));

  test('as deep as the cap, and no deeper', () => {
    assert.ok(Array.isArray(parseBoundedJson(nested(MAX_JSON_DEPTH))));
    assert.throws(() => parseBoundedJson(nested(MAX_JSON_DEPTH + 1)), /^CodedError: body: deeper/);
    const objects = bytes('{"a":'.repeat(MAX_JSON_DEPTH + 1));
    assert.throws(() => parseBoundedJson(objects), /deeper/);
    assert.throws(() => parseBoundedJson(nested(1_000_000)), /deeper/);
  });

  test('brackets in strings are text', () => {
    const text = `${'['.repeat(1000)}\\"${'{'.repeat(1000)}\\\\`;
    assert.deepEqual(parseBoundedJson(bytes(`["${text}",[]]`)), [JSON.parse(`"${text}"`), []]);
    // After a string that ends in an escaped backslash, brackets count again.
    assert.throws(() => parseBoundedJson(bytes(`["\\\\",${'['.repeat(200)}`)), /deeper/);
  });

  test('many values side by side are not deep', () => {
    const list = parseBoundedJson(bytes(`[${Array(5000).fill('{"a":[]}').join(',')}]`));
    assert.equal((list as readonly JsonValue[]).length, 5000);
  });

  for (const [name, body] of [
    ['nothing', bytes('')],
    ['half a text', bytes('{"a":')],
    ['two values', bytes('{} {}')],
    ['a byte order mark', bytes('\ufeff{}')],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
  ] as const) {
    test(`refused, and not quoted: ${name}`, () => {
      assert.throws(() => parseBoundedJson(body), { message: 'body: not JSON in UTF-8' });
    });
  }
});
