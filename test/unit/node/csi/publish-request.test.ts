import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ATTRIBUTES } from '../../../../src/node/csi/publish-request.ts';
import { VOLUME_ATTRIBUTES } from '../../../../src/webhook/volume-attributes.ts';

test('V11: admission and the node plugin know the same volume attributes', () => {
  assert.deepEqual([...VOLUME_ATTRIBUTES], [...ATTRIBUTES]);
});
