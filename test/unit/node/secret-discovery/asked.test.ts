// Where secret discovery is served at all.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSecretDiscoveryAsked } from '../../../../src/node/secret-discovery/asked.ts';

const CASES: readonly (readonly [string, Record<string, string>, boolean])[] = [
  ['spiffe-workload-api', {}, false],
  ['spiffe-workload-api', { 'signet.dev/sds': 'true' }, true],
  ['spiffe-workload-api', { 'signet.dev/sds': 'false' }, false],
  ['spiffe-workload-api', { 'signet.dev/require-identity': 'true' }, false],
  ['workload-socket', {}, true],
  ['workload-socket', { 'signet.dev/sds': 'false' }, false],
  ['workload-socket-2', {}, false],
];
for (const [volumeName, attributes, expected] of CASES) {
  test(`${volumeName} with ${JSON.stringify(attributes)}: ${expected ? 'on' : 'off'}`, () => {
    const record = {
      volumeId: 'v',
      targetPath: '/t',
      podUid: 'u',
      namespace: 'n',
      podName: 'p',
      serviceAccount: 's',
      volumeName,
      attributes,
    };
    assert.equal(isSecretDiscoveryAsked(record), expected);
  });
}
