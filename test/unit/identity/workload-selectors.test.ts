// Workload selectors: what a pod object proves, what it disproves, and what it says nothing about.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { checkSelectorForm } from '../../../src/crds/workload-selector.ts';
import { readPod } from '../../../src/identity/objects.ts';
import { firstNotHolding, judgeSelectors } from '../../../src/identity/workload-selectors.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { pod } from './fixtures.ts';

const labels = JSON.parse('{"app":"web","empty":"","a.b/c":"x","__proto__":"y"}') as JsonObject;
const subject = {
  pod: readPod(
    pod(
      {
        labels,
        ownerReferences: [
          { kind: 'ReplicaSet', name: 'web-7f', uid: 'rs-uid', controller: true },
          { kind: 'Thing', name: 'x', uid: 'thing-uid' },
        ],
      },
      {
        containers: [
          { name: 'main', image: 'registry.test:5000/agent@sha256:ab' },
          { name: 'side', image: 'side:1' },
        ],
        initContainers: [{ name: 'init', image: 'init:1' }],
      },
    ),
  ),
  namespaceLabels: { env: 'prod' },
};
const bare = {
  pod: readPod({ metadata: { name: 'bare', uid: 'u' }, spec: {} }),
  namespaceLabels: {},
};

suite('A5: decided by the pod', () => {
  const rows: readonly [string, 'holds' | 'fails' | 'undecidable'][] = [
    ['k8s:ns:city', 'holds'],
    ['k8s:ns:other', 'fails'],
    ['k8s:ns:*', 'fails'],
    ['k8s:ns', 'fails'],
    ['k8s:ns:', 'fails'],
    ['k8s:sa:agent', 'holds'],
    ['k8s:sa:default', 'fails'],
    ['k8s:pod-name:web-0', 'holds'],
    ['k8s:pod-name:web', 'fails'],
    ['k8s:pod-uid:uid-web-0', 'holds'],
    ['k8s:pod-uid:x', 'fails'],
    ['k8s:node-name:node-1', 'holds'],
    ['k8s:node-name:node-2', 'fails'],
    ['k8s:pod-label:app:web', 'holds'],
    ['k8s:pod-label:app:db', 'fails'],
    ['k8s:pod-label:missing:web', 'fails'],
    ['k8s:pod-label:a.b/c:x', 'holds'],
    ['k8s:pod-label:empty:', 'holds'],
    ['k8s:pod-label:empty', 'fails'],
    ['k8s:pod-label:missing:', 'fails'],
    ['k8s:pod-label:__proto__:y', 'holds'],
    ['k8s:pod-label:constructor:', 'fails'],
    ['k8s:ns-label:env:prod', 'holds'],
    ['k8s:ns-label:env:test', 'fails'],
    ['k8s:pod-owner:ReplicaSet:web-7f', 'holds'],
    ['k8s:pod-owner:ReplicaSet:web', 'fails'],
    ['k8s:pod-owner:Thing:x', 'holds'],
    ['k8s:pod-owner-uid:ReplicaSet:rs-uid', 'holds'],
    ['k8s:pod-owner-uid:ReplicaSet:thing-uid', 'fails'],
    ['k8s:pod-image:registry.test:5000/agent@sha256:ab', 'holds'],
    ['k8s:pod-image:side:1', 'holds'],
    ['k8s:pod-image:init:1', 'undecidable'],
    ['k8s:pod-init-image:init:1', 'holds'],
    ['k8s:pod-init-image:side:1', 'undecidable'],
    ['k8s:pod-image-count:2', 'holds'],
    ['k8s:pod-image-count:3', 'fails'],
    ['k8s:pod-init-image-count:1', 'holds'],
    ['k8s:container-name:main', 'undecidable'],
    ['k8s:container-image:side:1', 'undecidable'],
    ['k8s:constructor:x', 'undecidable'],
    ['k8s:unheard-of:x', 'undecidable'],
    ['unix:uid:1000', 'undecidable'],
    ['docker:label:x', 'undecidable'],
    ['K8S:ns:city', 'undecidable'],
    [' k8s:ns:city', 'undecidable'],
  ];
  for (const [selector, expected] of rows) {
    test(`A5: ${selector} ${expected}`, () => {
      assert.equal(judgeSelectors([selector], subject), expected);
    });
  }
});

test('A5: all must hold; one that fails decides over what cannot be decided', () => {
  assert.equal(judgeSelectors([], subject), 'holds');
  assert.equal(judgeSelectors(['k8s:ns:city', 'k8s:sa:agent'], subject), 'holds');
  assert.equal(judgeSelectors(['k8s:ns:city', 'unix:uid:0'], subject), 'undecidable');
  assert.equal(judgeSelectors(['unix:uid:0', 'k8s:ns:other'], subject), 'fails');
  assert.equal(firstNotHolding(['unix:uid:0', 'k8s:ns:other'], subject), 'k8s:ns:other');
  assert.equal(firstNotHolding(['k8s:ns:city', 'unix:uid:0'], subject), 'unix:uid:0');
  assert.equal(firstNotHolding(['k8s:ns:city'], subject), undefined);
});

test('A5: a pod without labels, owners, containers or node', () => {
  assert.equal(judgeSelectors(['k8s:node-name:node-1'], bare), 'fails');
  assert.equal(judgeSelectors(['k8s:pod-label:app:web'], bare), 'fails');
  assert.equal(judgeSelectors(['k8s:pod-owner:ReplicaSet:x'], bare), 'fails');
  assert.equal(judgeSelectors(['k8s:pod-image:side:1'], bare), 'undecidable');
  assert.equal(judgeSelectors(['k8s:pod-image-count:0'], bare), 'holds');
});

test('A5: the first colon splits, and neither half is empty', () => {
  for (const wrong of ['', ':', 'k8s', 'k8s:', ':x']) {
    assert.throws(() => checkSelectorForm(wrong), /must be type:value/);
  }
  checkSelectorForm('k8s:pod-label:a:');
});
