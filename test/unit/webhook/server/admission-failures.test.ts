// Nothing at all makes the webhook fail, and a failure of ours is told apart.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import type { JsonObject } from '../../../../src/template/json-value.ts';
import { MUTATE_PODS_PATH } from '../../../../src/webhook/server/admission-paths.ts';
import { admissionRoutes } from '../../../../src/webhook/server/admission-routes.ts';
import { arbitraryJson } from '../arbitrary-json.ts';
import { makeContext, makeReview, podRequest, responseOf } from './review-fixtures.ts';
import { LABELLED, PLURALS, send } from './route-fixtures.ts';

test('a failure of ours is a bare 500, counted, and logged with its cause', async () => {
  const err = new Error('a secret');
  const logged: unknown[] = [];
  const base = makeContext();
  const context = {
    ...base,
    namespaces: {
      labelsOf: () => {
        throw err;
      },
    },
    log: { ...base.log, error: (fields: { err?: unknown }) => void logged.push(fields.err) },
  };
  const answer = await send({ path: MUTATE_PODS_PATH, body: makeReview(podRequest) }, context);
  assert.deepEqual(answer, { status: 500, body: '{"error":"internal error"}' });
  assert.deepEqual(logged, [err]);
  assert.deepEqual(context.counts.list(), [
    { path: MUTATE_PODS_PATH, outcome: 'failed', count: 1 },
  ]);
});

suite('any JSON at all', () => {
  const kinds = [...PLURALS].map(([kind, resource]) => {
    const group = kind === 'IdentityRestriction' ? 'signet.dev' : 'spire.spiffe.io';
    const version = 'v1alpha1';
    return { kind: { group, version, kind }, resource: { group, version, resource } };
  });
  const pod = { kind: podRequest.kind, resource: podRequest.resource };
  const request = fc
    .record({
      about: fc.constantFrom(pod, pod, pod, pod, pod, pod, ...kinds),
      operation: fc.constantFrom(
        'CREATE',
        'CREATE',
        'CREATE',
        'UPDATE',
        'DELETE',
        'CONNECT',
        'NONE',
      ),
      subResource: fc.constantFrom('', '', '', 'ephemeralcontainers', 'status'),
      namespace: fc.constantFrom('agents', 'unknown', 'kube-system', '__proto__', 'constructor'),
      object: arbitraryJson,
      oldObject: arbitraryJson,
    })
    .map(({ about, ...rest }) => ({ uid: podRequest.uid, ...about, ...rest }));
  const body = fc.oneof(
    { arbitrary: request.map(makeReview), weight: 10 },
    // What must be patched, so that the generator surely gets there.
    { arbitrary: fc.constant(makeReview(podRequest)), weight: 1 },
    { arbitrary: arbitraryJson.map((value) => makeReview(value as JsonObject)), weight: 1 },
    { arbitrary: arbitraryJson, weight: 1 },
  );

  test('is answered with 200 or 400, within the bounds, on every path', async () => {
    const context = makeContext({ agents: LABELLED });
    const routes = admissionRoutes(context);
    const pods = routes.filter(({ path }) => path === MUTATE_PODS_PATH);
    await fc.assert(
      fc.asyncProperty(
        body,
        fc.constantFrom(...routes, ...pods, ...pods),
        async (body, { path }) => {
          const answer = await send({ path, body }, context);
          assert.ok(answer.status === 200 || answer.status === 400, answer.body);
          if (answer.status === 400) return;
          const response = responseOf(answer.body);
          assert.equal(typeof response['allowed'], 'boolean');
          const warnings = (response['warnings'] ?? []) as readonly string[];
          assert.ok(warnings.length <= 10 && warnings.every(({ length }) => length <= 120));
        },
      ),
      { numRuns: 2000 },
    );
    const outcomes = new Set(context.counts.list().map(({ outcome }) => outcome));
    assert.deepEqual([...outcomes].toSorted(), ['allowed', 'malformed', 'patched', 'refused']);
  });

  test('and so are bytes that are no JSON', async () => {
    const [route] = admissionRoutes(makeContext());
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (body) => {
        assert.equal((await route?.handle({ body }))?.status, 400);
      }),
    );
  });
});
