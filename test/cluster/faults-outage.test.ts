// All issuers are down, then the API server is, each for longer than SVIDs go without renewal: nothing
// expires, no stream ends, and everything goes on afterwards.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Line } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import {
  allAfter,
  eachAfter,
  isUpdate,
  leave,
  scale,
  startFleet,
  whenSigned,
} from './lib/faults.ts';
import { appIdentity } from './lib/identities.ts';
import type { Pod } from './lib/kube-object.ts';
import { figure } from './lib/report.ts';

const cluster = attached();
const PODS = 10;
const REPLICAS = 2;
/** Renewed at half of it, a tenth early or late: at 45 to 55 s. */
const TTL = '100s';
const OUTAGE_MS = 62_000;

suite('running pods lose nothing', () => {
  let namespace = '';
  let pods: readonly Pod[] = [];
  before(async () => {
    namespace = await freshNamespace(cluster, 'faults-out');
    await cluster.api.apply(appIdentity(namespace, { ttl: TTL }));
    pods = await startFleet(cluster, { namespace, prefix: 'hold', count: PODS });
  });
  after(async () => {
    await cluster.controlPlane.recover();
    await scale(cluster, 'issuer', REPLICAS);
    await leave(cluster, namespace);
  });

  test('while all issuers are down', async () => {
    const before = await newest();
    const down = Date.now();
    await scale(cluster, 'issuer', 0);
    const gone = Date.now();
    await sleep(OUTAGE_MS);
    const up = Date.now();
    await scale(cluster, 'issuer', REPLICAS);
    const after = await eachAfter({ cluster, pods, since: up }, isUpdate);
    const lines = await allAfter(cluster, pods, down);
    // Their time was up meanwhile, and nobody there to renew.
    assert.deepEqual(
      lines.filter(({ at }) => Number(at) > gone && Number(at) < up),
      [],
    );
    assert.deepEqual(
      lines.filter((line) => !isUpdate(line)),
      [],
    );
    assertUnbroken(before, after);
    const times = after.map(({ at }) => Number(at) - up);
    figure(
      `issuers down for ${OUTAGE_MS / 1000} s: all renewed after the start`,
      Math.max(...times),
      'ms',
    );
  });

  test('while the API server is down, and are renewed, also once it is back', async () => {
    const before = await newest();
    const down = Date.now();
    await cluster.controlPlane.crash();
    await sleep(OUTAGE_MS);
    const up = Date.now();
    await cluster.controlPlane.recover();
    const during = await eachAfter({ cluster, pods, since: down }, isUpdate);
    assert.deepEqual(
      during.filter(({ at }) => Number(at) > up),
      [],
    );
    assertUnbroken(before, during);
    // Due while watches come back.
    const after = await eachAfter({ cluster, pods, since: up }, isUpdate);
    assertUnbroken(during, after);
    const lines = await allAfter(cluster, pods, down);
    assert.deepEqual(
      lines.filter((line) => !isUpdate(line)),
      [],
    );

    await startFleet(cluster, { namespace, prefix: 'new', count: 2 });
    figure(
      `API server down for ${OUTAGE_MS / 1000} s: new pods have identities`,
      Date.now() - up,
      'ms',
    );
    for (const part of ['issuer', 'controller', 'node'] as const) {
      await whenSigned(cluster, part, REPLICAS);
    }
  });

  async function newest(): Promise<readonly Line[]> {
    const updates: Line[] = [];
    for (const pod of pods) {
      const lines = await allAfter(cluster, [pod], 0);
      updates.push(lines.filter(isUpdate).at(-1) ?? assert.fail());
    }
    return updates;
  }
});

/** Pod by pod: another certificate, and it came before the one before had ended. */
function assertUnbroken(before: readonly Line[], after: readonly Line[]): void {
  for (const [index, line] of after.entries()) {
    const former = before[index] ?? assert.fail();
    assert.equal(line['id'], former['id']);
    assert.notEqual(line['serial'], former['serial']);
    const end = new Date(former['notAfter'] as string | number).getTime();
    assert.ok(Number(line['at']) < end, `${Number(line['at']) - end} ms late`);
  }
}
