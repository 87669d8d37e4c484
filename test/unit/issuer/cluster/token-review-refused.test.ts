// Vouched-for tokens that are not those of a pod of the node plugin.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  OWNER,
  pluginPod,
  pods,
  reasonFor,
  SUBJECT,
  useAuthenticator,
  vouched,
} from './token-review-fixtures.ts';

useAuthenticator();

const REFUSED: readonly [string, Parameters<typeof vouched>[0], string][] = [
  ['not authenticated', { status: { authenticated: false } }, 'TokenInvalid'],
  ['authenticated as text', { status: { authenticated: 'true' } }, 'TokenInvalid'],
  ['another account', { user: { username: `${SUBJECT}2` } }, 'NotNodePlugin'],
  [
    'another namespace',
    { user: { username: SUBJECT.replace(':signet:', ':x:') } },
    'NotNodePlugin',
  ],
  ...['pod-name', 'pod-uid', 'node-name'].flatMap((name) =>
    [undefined, [], [''], ['a', 'b'], 'node-1'].map(
      (value): [string, Parameters<typeof vouched>[0], string] => [
        `${name} ${JSON.stringify(value)}`,
        { extra: { [`authentication.kubernetes.io/${name}`]: value } },
        'TokenUnbound',
      ],
    ),
  ),
  [
    'T-03: another node',
    { extra: { 'authentication.kubernetes.io/node-name': ['node-2'] } },
    'CallerMismatch',
  ],
  [
    'another pod name',
    { extra: { 'authentication.kubernetes.io/pod-name': ['other'] } },
    'CallerMismatch',
  ],
];
for (const [what, change, reason] of REFUSED) {
  test(`a review that says ${what} is refused as ${reason}`, async () => {
    assert.equal(await reasonFor(vouched(change)), reason);
  });
}

const PODS: readonly [string, Parameters<typeof pluginPod>[0], string][] = [
  ['in another namespace', { metadata: { namespace: 'x' } }, 'NotNodePlugin'],
  ['of another account', { spec: { serviceAccountName: 'default' } }, 'NotNodePlugin'],
  ['without an owner', { metadata: { ownerReferences: [] } }, 'NotNodePlugin'],
  [
    'of another DaemonSet',
    { metadata: { ownerReferences: [{ ...OWNER, name: 'x' }] } },
    'NotNodePlugin',
  ],
  [
    'of a ReplicaSet',
    { metadata: { ownerReferences: [{ ...OWNER, kind: 'ReplicaSet' }] } },
    'NotNodePlugin',
  ],
  [
    'of a foreign DaemonSet',
    { metadata: { ownerReferences: [{ ...OWNER, apiVersion: 'x/v1' }] } },
    'NotNodePlugin',
  ],
  [
    'not controlled',
    { metadata: { ownerReferences: [{ ...OWNER, controller: false }] } },
    'NotNodePlugin',
  ],
  ['on another node', { spec: { nodeName: 'node-2' } }, 'CallerMismatch'],
  ['not scheduled', { spec: { nodeName: '' } }, 'CallerMismatch'],
  ['that failed', { status: { phase: 'Failed' } }, 'CallerOver'],
  ['that ended', { status: { phase: 'Succeeded' } }, 'CallerOver'],
];
for (const [what, change, reason] of PODS) {
  test(`T-03: a pod ${what} is refused as ${reason}, whatever its token says`, async () => {
    pods.set('pod-uid', pluginPod(change));
    assert.equal(await reasonFor(vouched()), reason);
  });
}
