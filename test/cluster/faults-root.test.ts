// The active root is thrown away: every running pod has an SVID under the standby root within a minute,
// and no stream ends.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { attached, freshNamespace } from './lib/attached.ts';
import { authorities, authority, heldBy } from './lib/authority-cli.ts';
import { until } from './lib/commands.ts';
import { allAfter, isUpdate, leave, startFleet } from './lib/faults.ts';
import { appIdentity } from './lib/identities.ts';
import type { Pod } from './lib/kube-object.ts';
import { figure } from './lib/report.ts';

const cluster = attached();
const PODS = 20;
const LIMIT_MS = 60_000;

suite('an active root that is revoked', () => {
  let namespace = '';
  let pods: readonly Pod[] = [];
  before(async () => {
    namespace = await freshNamespace(cluster, 'faults-root');
    await cluster.api.apply(appIdentity(namespace));
    pods = await startFleet(cluster, { namespace, prefix: 'hold', count: PODS });
  });
  after(async () => {
    await leave(cluster, namespace);
  });

  test('is replaced by the standby root for every running pod within a minute', async () => {
    const held = await Promise.all(pods.map(async (pod) => await heldBy(cluster, pod)));
    const [old = assert.fail()] = held.map(({ root }) => root);
    const [{ roots } = assert.fail()] = held;
    // Both are trusted long before the second one signs.
    assert.equal(roots.length, 2);
    const standby = roots.find((root) => root !== old) ?? assert.fail();
    assert.deepEqual([...new Set(held.map(({ root }) => root))], [old]);
    const { authorities: known } = await authorities(cluster);
    const active = known.find(({ kind, phase }) => kind === 'root' && phase === 'active');

    const begun = Date.now();
    const { status, stderr, stdout } = await authority(cluster, 'revoke', active?.id ?? '');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /"event":/);
    await until(
      'all pods to be under the standby root',
      async () => {
        const now = await Promise.all(pods.map(async (pod) => await heldBy(cluster, pod)));
        const done = now.every(({ root, roots }) => root === standby && !roots.includes(old));
        return done ? true : undefined;
      },
      { timeoutMs: LIMIT_MS + 30_000, everyMs: 250 },
    );
    const took = Date.now() - begun;
    figure(`root revoked: ${PODS} pods under the standby root`, took, 'ms');
    assert.ok(took < LIMIT_MS, `${took} ms`);
    // By one new message each at least, in the stream that was open.
    for (const pod of pods) {
      const lines = await allAfter(cluster, [pod], begun);
      assert.ok(lines.length > 0 && lines.every(isUpdate), JSON.stringify(lines));
    }
    const [late = assert.fail()] = await startFleet(cluster, {
      namespace,
      prefix: 'late',
      count: 1,
    });
    assert.equal((await heldBy(cluster, late)).root, standby);
  });
});
