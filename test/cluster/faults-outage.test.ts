// All issuers are down, then the API server is, each for as long as SVIDs go without renewal: nothing
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
const DUE_MS = 57_000;
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
    // No longer than it takes until all are due: those that came first have to last.
    const last = Math.max(...before.map(({ at }) => Number(at)));
    await sleep(last + DUE_MS - gone);
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
      'issuers down until all were due: all renewed after the start',
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
    const starting = startFleet(cluster, { namespace, prefix: 'new', count: 2 }).then(() =>
      figure(
        `API server down for ${OUTAGE_MS / 1000} s: new pods have identities`,
        Date.now() - up,
        'ms',
      ),
    );
    starting.catch(() => {});
    // Due while watches come back; what ends before that is an error among the lines.
    await eachAfter({ cluster, pods, since: up }, isUpdate);
    const lines = await allAfter(cluster, pods, down);
    assert.deepEqual(
      lines.filter((line) => !isUpdate(line)),
      [],
    );
    await starting;
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
