// What an answer of the Workload API leaves out is not used any more.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { WorkloadApiClient } from '../../../client/src/index.ts';
import { FakeWorkloadApi, x509Answer } from '../../fakes/fake-workload-api.ts';
import { TestCa } from '../../fakes/test-ca.ts';

const ca = new TestCa('example.org');
const other = new TestCa('other.org');
let directory: string;
let api: FakeWorkloadApi;
let client: WorkloadApiClient;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'signet-redaction-'));
  api = new FakeWorkloadApi(join(directory, 's'));
  await api.start();
  client = new WorkloadApiClient({ address: api.address });
});
afterEach(async () => {
  client.close();
  await api.stop();
  rmSync(directory, { recursive: true, force: true });
});

test('WA-08, WA-09: SVIDs, hints and bundles that an answer leaves out are gone', async () => {
  const stop = new AbortController();
  const answers = client.watchX509Context(stop.signal)[Symbol.asyncIterator]();
  const first = { ...ca.svid('/a'), hint: 'inner' };
  api.x509Svids.set(x509Answer(ca, [first, ca.svid('/b')], [other]));
  const before = (await answers.next()).value;
  assert.deepEqual(
    before?.svids.map(({ spiffeId }) => spiffeId),
    ['spiffe://example.org/a', 'spiffe://example.org/b'],
  );
  assert.deepEqual([...(before?.bundles.keys() ?? [])].toSorted(), ['example.org', 'other.org']);
  api.x509Svids.set(x509Answer(ca, [{ ...first, hint: '' }]));
  const after = (await answers.next()).value;
  assert.deepEqual(
    after?.svids.map(({ spiffeId, hint }) => [spiffeId, hint]),
    [['spiffe://example.org/a', '']],
  );
  assert.deepEqual([...(after?.bundles.keys() ?? [])], ['example.org']);
  stop.abort();
});

test('WA-08, WA-09: the same for streams of bundles', async () => {
  const stop = new AbortController();
  const answers = client.watchX509Bundles(stop.signal)[Symbol.asyncIterator]();
  const both = {
    'spiffe://example.org': ca.certificate,
    'spiffe://other.org': other.certificate,
  };
  api.x509Bundles.set({ bundles: both });
  assert.equal((await answers.next()).value?.size, 2);
  api.x509Bundles.set({ bundles: { 'spiffe://example.org': ca.certificate } });
  assert.deepEqual([...((await answers.next()).value?.keys() ?? [])], ['example.org']);
  stop.abort();
});
