// etcd is set back to before a suspension and before a change of authorities. Issuers notice and sign
// for nobody until an operator says how to go on, as docs/authorities.md has it; then the suspension,
// applied again, holds, and all others are served.

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { attached, freshNamespace } from './lib/attached.ts';
import { authorities, authority } from './lib/authority-cli.ts';
import { until } from './lib/commands.ts';
import {
  allAfter,
  eachAfter,
  isUpdate,
  leave,
  signetPods,
  startFleet,
  whenSigned,
} from './lib/faults.ts';
import { appIdentity, optedIn, remove, restriction } from './lib/identities.ts';
import { type KubeObject, objectPath, type Pod, podPath } from './lib/kube-object.ts';
import { figure } from './lib/report.ts';
import { SIGNET_NAMESPACE } from './lib/signet.ts';

const cluster = attached();
const snapshot = join(cluster.directory, 'snapshot');
const REPLICAS = 2;
/** Issuers look for a new state every ten seconds, and push at once. */
const PUSHED_MS = 15_000;
const HELD_MS = 15_000;
const NODE_SET = `/apis/apps/v1/namespaces/${SIGNET_NAMESPACE}/daemonsets/signet-node`;

suite('a store that is set back', () => {
  const names = { free: '', suspended: '' };
  let free: readonly Pod[] = [];
  let suspended: readonly Pod[] = [];
  const suspension = (): KubeObject =>
    restriction(names.suspended, { match: { namespace: names.suspended }, suspend: true });
  before(async () => {
    for (const kind of ['free', 'suspended'] as const) {
      names[kind] = await freshNamespace(cluster, `faults-${kind}`);
      await cluster.api.apply(appIdentity(names[kind]));
    }
    const fleet = { prefix: 'hold', count: 2 };
    free = await startFleet(cluster, { ...fleet, namespace: names.free });
    suspended = await startFleet(cluster, { ...fleet, namespace: names.suspended });
  });
  after(async () => {
    rmSync(snapshot, { recursive: true, force: true });
    await remove(cluster, suspension());
    for (const namespace of Object.values(names)) {
      await leave(cluster, namespace);
    }
  });

  test('gives nothing to who was suspended, before an operator acts and after', async () => {
    rmSync(snapshot, { recursive: true, force: true });
    await cluster.controlPlane.snapshot(snapshot);
    const { sequence } = await authorities(cluster);
    const begun = Date.now();
    await cluster.api.apply(suspension());
    await eachAfter({ cluster, pods: suspended, since: begun }, isDenied);
    const prepared = await authority(cluster, 'prepare', 'jwt');
    assert.equal(prepared.status, 0, prepared.stderr);
    const { sequence: newer } = await authorities(cluster);
    assert.ok(newer > sequence);
    await sleep(PUSHED_MS);

    const restored = Date.now();
    await cluster.controlPlane.restore(snapshot);
    assert.equal((await authorities(cluster)).sequence, sequence);
    assert.equal(await cluster.api.find(objectPath(suspension())), undefined);
    await until('issuers to notice', async () => ((await allRolledBack()) ? true : undefined), {
      timeoutMs: 90_000,
      everyMs: 500,
    });
    figure('etcd set back: all issuers noticed', Date.now() - restored, 'ms');
    const late = optedIn({ namespace: names.free, name: 'late', args: ['watch'] });
    await until('the webhook', async () => await cluster.api.create(late).catch(() => undefined));
    await sleep(HELD_MS);
    assert.deepEqual((await allAfter(cluster, suspended, restored)).filter(isUpdate), []);
    assert.deepEqual((await allAfter(cluster, free, restored)).filter(isDenied), []);

    // As the document says: restrictions again, accept, node plugins anew.
    await cluster.api.apply(suspension());
    const accepted = await authority(cluster, 'accept-restore');
    assert.equal(accepted.status, 0, accepted.stderr);
    assert.ok((await authorities(cluster)).sequence > newer);
    const annotations = { restarted: String(restored) };
    await cluster.api.merge(NODE_SET, { spec: { template: { metadata: { annotations } } } });
    await eachAfter({ cluster, pods: [late], since: restored }, isUpdate);
    await whenSigned(cluster, 'node', cluster.nodes.length);
    await whenSigned(cluster, 'issuer', REPLICAS);
    await startFleet(cluster, { namespace: names.free, prefix: 'new', count: 2 });
    figure('etcd set back: everybody served again', Date.now() - restored, 'ms');
    assert.deepEqual((await allAfter(cluster, suspended, restored)).filter(isUpdate), []);
    assert.deepEqual((await allAfter(cluster, free, restored)).filter(isDenied), []);
  });
});

/** Each says so in its audit log. */
async function allRolledBack(): Promise<boolean> {
  const issuers = await signetPods(cluster, 'issuer');
  const logs = await Promise.all(
    issuers.map(async ({ metadata }) => {
      const path = `${podPath(SIGNET_NAMESPACE, metadata.name ?? '')}/log`;
      return await cluster.api.text({ path }).catch(() => '');
    }),
  );
  return logs.every((log) => log.includes('StateRolledBack'));
}

function isDenied(line: Readonly<Record<string, unknown>>): boolean {
  return line['code'] === 'permission-denied';
}
