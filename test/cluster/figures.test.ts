// How long an identity takes, one pod and many at once, and what Signet takes meanwhile. Times depend
// on the machine, so they are printed; asserted is only what must hold anywhere: no first try fails,
// and a change reaches everybody.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type Line, lineOf, linesOf, whenEnded } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { until } from './lib/commands.ts';
import { appId, appIdentity, optedIn, remove } from './lib/identities.ts';
import { hasCondition, objectPath, type Pod } from './lib/kube-object.ts';
import { createAtOnce, deletePods, nodesOf, whenAll } from './lib/pods.ts';
import { meanMs, publishTimes } from './lib/publish-times.ts';
import { figure } from './lib/report.ts';
import { TRUST_DOMAIN } from './lib/signet.ts';
import { percentile } from './lib/statistics.ts';
import { reportIdleUse } from './lib/use.ts';

const cluster = attached();
const nodes = cluster.nodes.map(({ name }) => name);
const TRIES = 10;
const READY_MS = 200_000;
const CHANGED_MS = 60_000;

suite('figures', () => {
  let namespace = '';
  before(async () => {
    namespace = await freshNamespace(cluster, 'figures');
    await cluster.api.apply(appIdentity(namespace));
  });
  after(async () => {
    await remove(cluster, appIdentity(namespace));
    await cluster.deleteNamespace(namespace);
  });

  test('with one pod at a time, no first try fails', async () => {
    await reportIdleUse(cluster, 0);
    const from = await publishTimes(cluster);
    const tries: Try[] = [];
    for (let i = 0; i < TRIES; i += 1) {
      const pod = optedIn({ namespace, name: `single-${i}`, args: ['once'] });
      const created = Date.now();
      await cluster.api.create(pod);
      const { lines } = await whenEnded(cluster, pod);
      tries.push(firstTry(pod, lines[0], created));
      await cluster.api.delete(objectPath(pod));
    }
    report('1 pod', tries);
    figure(
      '1 pod: kubelet waits for the volume, mean',
      meanMs(from, await publishTimes(cluster)),
      'ms',
    );
  });

  test('with 30 pods at once, no first try fails', async () => {
    const pods = await startAtOnce(30);
    await reportIdleUse(cluster, pods.length);
    await deletePods(cluster, pods);
  });

  test('with 100 pods at once, no first try fails, and a change reaches all', async () => {
    const pods = await startAtOnce(100);
    await reportIdleUse(cluster, pods.length);
    const spiffeIDTemplate = 'spiffe://{{ .TrustDomain }}/changed';
    const from = Date.now();
    await cluster.api.apply(appIdentity(namespace, { spiffeIDTemplate }));
    const took: number[] = [];
    let without = 0;
    for (const pod of pods) {
      const changed = await lineOf(cluster, pod, { accepts: isChanged, timeoutMs: CHANGED_MS });
      took.push(Number(changed['at']) - from);
      // The old ID goes at once; where the machine is too busy to sign the new one, nothing is left.
      const lines = await linesOf(cluster, pod);
      without += lines.some(({ event }) => event === 'error') ? 1 : 0;
    }
    figure('template changed: streams without any ID meanwhile', without, 'of 100');
    figure('template changed to all of 100 streams: p50', percentile(took, 0.5), 'ms');
    figure('template changed to all of 100 streams: last', Math.max(...took), 'ms');
    await deletePods(cluster, pods);
  });

  /** All created before any can be ready, over both nodes; each one's first line is its SVID. */
  async function startAtOnce(count: number): Promise<readonly Pod[]> {
    const pods = Array.from({ length: count }, (_, index) =>
      optedIn({
        namespace,
        name: `of-${count}-${index}`,
        node: nodes[index % nodes.length] ?? '',
        args: ['watch'],
        labels: { set: `of-${count}` },
      }),
    );
    const from = await publishTimes(cluster);
    const created = Date.now();
    await createAtOnce(cluster, pods);
    const running = await whenAll(cluster, {
      namespace,
      selector: `set=of-${count}`,
      count,
      accepts: (pod) => hasCondition(pod, 'Ready'),
      timeoutMs: READY_MS,
    });
    assert.deepEqual(nodesOf(running), nodes);
    const tries: Try[] = [];
    for (const pod of running) {
      const lines = await linesSoFar(pod, 1);
      tries.push(firstTry(pod, lines[0], created));
    }
    report(`${count} pods`, tries);
    const mean = meanMs(from, await publishTimes(cluster));
    figure(`${count} pods: kubelet waits for the volume, mean`, mean, 'ms');
    return running;
  }

  async function linesSoFar(pod: Pod, count: number): Promise<readonly Line[]> {
    const ask = async (): Promise<readonly Line[] | undefined> => {
      const lines = await linesOf(cluster, pod);
      return lines.length >= count ? lines : undefined;
    };
    const what = `${count} lines of ${pod.metadata.name ?? ''}`;
    return await until(what, ask, { timeoutMs: CHANGED_MS });
  }
});

function isChanged({ event, id }: Line): boolean {
  return event === 'update' && id === `spiffe://${TRUST_DOMAIN}/changed`;
}

type Try = {
  /** From the pod's creation to its SVID. */
  readonly wholeMs: number;
  /** The same less everything before the process began, and its own start. */
  readonly askedMs: number;
};

function firstTry({ metadata }: Pod, line: Line | undefined, created: number): Try {
  const { namespace = '', labels = {} } = metadata;
  assert.equal(line?.['id'], appId(namespace, labels['app'] ?? ''), JSON.stringify(line));
  const { at, asked, ms } = line ?? {};
  return { wholeMs: Number(at) - created, askedMs: Number(ms) - Number(asked) };
}

function report(label: string, tries: readonly Try[]): void {
  for (const [name, share] of [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const) {
    const of = (key: keyof Try): number =>
      percentile(
        tries.map((each) => each[key]),
        share,
      );
    figure(`${label}: created to SVID, ${name}`, of('wholeMs'), 'ms');
    figure(`${label}: asked to SVID, ${name}`, of('askedMs'), 'ms');
  }
}
