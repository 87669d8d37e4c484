// What changes in the cluster is on an open stream within a second: no workload has to ask again.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type Line, whenReady } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { appIdentity, optedIn, policy, remove, restriction } from './lib/identities.ts';
import { type KubeObject, objectPath, podPath } from './lib/kube-object.ts';
import { LineFeed } from './lib/line-feed.ts';
import { figure } from './lib/report.ts';
import { TRUST_DOMAIN } from './lib/signet.ts';
import { percentile } from './lib/statistics.ts';

const cluster = attached();
const TRIES = 10;
const LIMIT_MS = 1000;
const WATCHER = 'watcher';

suite('an open stream sees within a second', () => {
  let namespace = '';
  let feed: LineFeed;
  const latencies: number[] = [];

  before(async () => {
    namespace = await freshNamespace(cluster, 'changes');
    const pod = optedIn({ namespace, name: WATCHER, args: ['watch'] });
    await cluster.api.create(pod);
    await whenReady(cluster, pod);
    feed = new LineFeed(cluster, pod);
  });
  after(async () => {
    feed.close();
    await cluster.deleteNamespace(namespace);
    figure('change to open stream, all kinds, p50', percentile(latencies, 0.5), 'ms');
    figure('change to open stream, all kinds, p99', percentile(latencies, 0.99), 'ms');
  });

  test('another label of the pod', async () => {
    await under([policyFor('/try/{{ index .PodMeta.Labels "try" }}')], async () => {
      await measure({
        kind: 'label of a pod',
        change: async (i) => {
          const labels = { try: String(i) };
          await cluster.api.merge(podPath(namespace, WATCHER), { metadata: { labels } });
        },
        seen: (i) => hasId(`/try/${i}`),
      });
    });
  });

  test('another label of its namespace', async () => {
    const sideOf = (i: number): string => (i % 2 === 0 ? 'left' : 'right');
    const policies = [0, 1].map((i) =>
      policy(`${namespace}-${i}`, {
        spiffeIDTemplate: `spiffe://{{ .TrustDomain }}/side/${sideOf(i)}`,
        namespaceSelector: {
          matchLabels: { 'kubernetes.io/metadata.name': namespace, side: sideOf(i) },
        },
      }),
    );
    await under(policies, async () => {
      await measure({
        kind: 'label of a namespace',
        change: async (i) => {
          const labels = { side: sideOf(i) };
          await cluster.api.merge(`/api/v1/namespaces/${namespace}`, { metadata: { labels } });
        },
        seen: (i) => hasId(`/side/${sideOf(i)}`),
      });
    });
  });

  test('another template', async () => {
    const edited = policyFor('/first');
    await under([edited], async () => {
      await measure({
        kind: 'template of a ClusterSPIFFEID',
        change: async (i) => {
          const spiffeIDTemplate = `spiffe://{{ .TrustDomain }}/edited/${i}`;
          await cluster.api.merge(objectPath(edited), { spec: { spiffeIDTemplate } });
        },
        seen: (i) => hasId(`/edited/${i}`),
      });
    });
  });

  test('the end of its policy', async () => {
    const deleted = policyFor('/deleted');
    await measure({
      kind: 'deletion of a ClusterSPIFFEID',
      prepare: async () => {
        await cluster.api.create(deleted);
        await feed.next(hasId('/deleted'));
      },
      change: async () => await cluster.api.delete(objectPath(deleted)),
      seen: () => isRefused,
    });
  });

  test('a suspension', async () => {
    const suspended = restriction(namespace, { match: { namespace }, suspend: true });
    await under([policyFor('/suspended')], async () => {
      await measure({
        kind: 'suspension',
        prepare: async () => {
          await cluster.api.delete(objectPath(suspended));
          await feed.next(hasId('/suspended'));
        },
        change: async () => await cluster.api.apply(suspended),
        seen: () => isRefused,
      });
      await cluster.api.delete(objectPath(suspended));
      await feed.next(hasId('/suspended'));
    });
  });

  type Change = {
    readonly kind: string;
    readonly prepare?: () => Promise<void>;
    readonly change: (i: number) => Promise<void>;
    readonly seen: (i: number) => (line: Line) => boolean;
  };

  async function measure({ kind, prepare, change, seen }: Change): Promise<void> {
    const took: number[] = [];
    for (let i = 0; i < TRIES; i += 1) {
      await prepare?.();
      const from = Date.now();
      await change(i);
      const line = await feed.next(seen(i));
      took.push(Number(line['at']) - from);
    }
    latencies.push(...took);
    figure(`change to open stream: ${kind}, slowest of ${TRIES}`, Math.max(...took), 'ms');
    const late = took.filter((ms) => ms > LIMIT_MS);
    assert.deepEqual(late, [], `${kind}: ${took.join(', ')} ms`);
  }

  /** While these policies are there. */
  async function under(policies: readonly KubeObject[], work: () => Promise<void>): Promise<void> {
    await cluster.api.apply(...policies);
    try {
      await work();
    } finally {
      for (const each of policies) await remove(cluster, each);
      await feed.next(isRefused);
    }
  }

  function policyFor(path: string): KubeObject {
    return appIdentity(namespace, { spiffeIDTemplate: `spiffe://{{ .TrustDomain }}${path}` });
  }
});

function hasId(path: string): (line: Line) => boolean {
  return ({ event, id }) => event === 'update' && id === `spiffe://${TRUST_DOMAIN}${path}`;
}

function isRefused({ event, code }: Line): boolean {
  return event === 'error' && code === 'permission-denied';
}
