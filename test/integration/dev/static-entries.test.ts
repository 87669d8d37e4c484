// Static entries in dev mode: the same that a cluster does with them, from files.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { DevProcess, podManifest } from './dev-process.ts';

const entry = (name: string, spec: object) =>
  JSON.stringify({
    apiVersion: 'spire.spiffe.io/v1alpha1',
    kind: 'ClusterStaticEntry',
    metadata: { name },
    spec,
  });
const NODES = 'spiffe://example.org/nodes';
const dev = new DevProcess({
  'nodes.json': entry('nodes', {
    spiffeID: NODES,
    parentID: 'spiffe://example.org/spire/server',
    selectors: ['k8s_psat:cluster:cluster'],
  }),
  'billing.json': entry('billing', {
    spiffeID: 'spiffe://example.org/billing',
    parentID: NODES,
    selectors: ['k8s:ns:shop', 'k8s:pod-name:web'],
  }),
  'web.json': podManifest('web'),
  'other.json': podManifest('other'),
});
after(async () => await dev.close());

test('B1–B3, B14, G10, R6: a static entry from a file names its pod, is refused where wrong, and changes without a gap', async () => {
  await dev.start();
  assert.equal((await dev.pod('shop/web')).says, 'spiffe://example.org/billing');
  assert.match((await dev.pod('shop/other')).says, /NoPolicy/);
  const { socket } = await dev.pod('shop/web');
  const stream = dev.workload(socket).fetchX509SVID({}, dev.call)[Symbol.asyncIterator]();
  const { value } = await stream.next();
  assert.deepEqual(
    value?.svids.map(({ spiffeId }: { spiffeId: string }) => spiffeId),
    ['spiffe://example.org/billing'],
  );
  const from = dev.lines.length;
  const wrong = { spiffeID: 'spiffe://example.org/spire/x', parentID: NODES, selectors: ['a'] };
  dev.write('billing.json', entry('billing', wrong));
  await dev.line(/spec\.selectors\[0\]/, from);
  dev.write(
    'billing.json',
    entry('billing', {
      spiffeID: 'spiffe://example.org/accounts',
      parentID: NODES,
      selectors: ['k8s:pod-name:web'],
    }),
  );
  const { value: next } = await stream.next();
  assert.deepEqual(
    next?.svids.map(({ spiffeId }: { spiffeId: string }) => spiffeId),
    ['spiffe://example.org/accounts'],
  );
});
