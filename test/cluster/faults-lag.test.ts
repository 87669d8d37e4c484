// One issuer sees nothing of the API server for half a minute, while nodes have nobody else to go to:
// no running pod loses anything, and new pods get their identity in the end.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { attached, freshNamespace } from './lib/attached.ts';
import {
  allAfter,
  eachAfter,
  inPodNetwork,
  isUpdate,
  leave,
  signetPods,
  signetProcess,
  startFleet,
  whenSigned,
} from './lib/faults.ts';
import { appIdentity, optedIn } from './lib/identities.ts';
import type { Pod } from './lib/kube-object.ts';
import { API_SERVICE_ADDRESS } from './lib/layout.ts';
import { createAtOnce } from './lib/pods.ts';
import { figure } from './lib/report.ts';

const cluster = attached();
const PODS = 6;
const LAG_MS = 30_000;
const REPLICAS = 2;
const API = ['OUTPUT', '-d', API_SERVICE_ADDRESS, '-j', 'DROP'] as const;
const NODES = [
  'INPUT',
  '-p',
  'tcp',
  '--dport',
  '8443',
  '-j',
  'REJECT',
  '--reject-with',
  'tcp-reset',
];

suite('an issuer whose view is half a minute old', () => {
  let namespace = '';
  const broken: { pid: number; rule: readonly string[] }[] = [];
  const mend = async (): Promise<void> => {
    for (const { pid, rule } of broken.splice(0)) {
      await inPodNetwork(pid, ['iptables', '-w', '-D', ...rule]);
    }
  };
  before(async () => {
    namespace = await freshNamespace(cluster, 'faults-lag');
    await cluster.api.apply(appIdentity(namespace));
  });
  after(async () => {
    await mend();
    await leave(cluster, namespace);
  });

  test('takes nothing from running pods that it does not know', async () => {
    const [lagging, current] = await signetPods(cluster, 'issuer');
    const block = async (pod: Pod | undefined, rule: readonly string[]): Promise<void> => {
      const pid = signetProcess(pod ?? assert.fail(), 'issuer') ?? assert.fail();
      await inPodNetwork(pid, ['iptables', '-w', '-I', ...rule]);
      broken.push({ pid, rule });
    };
    // First nobody comes to the one that will lag, so that all know the pods it will not.
    await block(lagging, NODES);
    await block(lagging, API);
    const begun = Date.now();
    const pods = await startFleet(cluster, { namespace, prefix: 'unknown', count: PODS });
    const known = Date.now();
    await mendFirst();
    await block(current, NODES);
    const late = ['late-0', 'late-1'].map((name) =>
      optedIn({ namespace, name, args: ['watch'], restartPolicy: 'Always' }),
    );
    await createAtOnce(cluster, late);
    await sleep(Math.max(LAG_MS - (Date.now() - begun), 15_000));
    // Not one line: no other answer, no end of a stream.
    assert.deepEqual(await allAfter(cluster, pods, known), []);

    const mended = Date.now();
    await mend();
    // That they had to wait shows that nodes had only the one that lags.
    const first = await eachAfter({ cluster, pods: late, since: 0 }, isUpdate);
    assert.deepEqual(
      first.filter(({ at }) => Number(at) < mended),
      [],
    );
    figure('issuer that lagged sees again: new pods served', Date.now() - mended, 'ms');
    const refused = (await allAfter(cluster, late, 0)).filter(
      ({ code }) => code === 'permission-denied',
    );
    assert.deepEqual(refused, []);
    assert.deepEqual(await allAfter(cluster, pods, known), []);
    await whenSigned(cluster, 'issuer', REPLICAS);

    async function mendFirst(): Promise<void> {
      const [first] = broken.splice(0, 1);
      const { pid, rule } = first ?? assert.fail();
      await inPodNetwork(pid, ['iptables', '-w', '-D', ...rule]);
    }
  });
});
