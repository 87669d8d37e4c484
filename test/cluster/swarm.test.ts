// Two hundred agents come and go as Jobs: each has its identity at its first attempt, talks to a peer by
// it and ends, and nothing of them stays behind.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type Line, lineOf, linesOf, podTemplate, whenReady } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { until } from './lib/commands.ts';
import { expose } from './lib/expose.ts';
import { leave } from './lib/faults.ts';
import { type Footprint, footprints, memoryOf } from './lib/footprint.ts';
import { appId, appIdentity, INJECT, optedIn } from './lib/identities.ts';
import { type KubeObject, objectPath, type Pod } from './lib/kube-object.ts';
import { createAtOnce, nodesOf } from './lib/pods.ts';
import { figure } from './lib/report.ts';
import { percentile } from './lib/statistics.ts';

const cluster = attached();
/** Each a Job, so that the swarm has several identities. */
const KINDS = ['planner', 'coder', 'reviewer', 'tester'] as const;
/** What is made for the first agents, and only then, is no leak of the others. */
const FIRST = 40;
const OTHERS = 160;
const AT_ONCE = 20;
const PEER = 'peer';
const PORT = 8443;
const DONE_MS = 400_000;
const GONE_MS = 120_000;
/** A leak of a sixth of a mebibyte an agent would be more. */
const MAX_GROWTH_MIB = 24;
/** A connection more to the issuer or from the kubelet is nothing that an agent left. */
const SLACK: Partial<Footprint> = { unixSockets: 4, descriptors: 4 };
const PARTS = ['node', 'issuer', 'controller'] as const;

type Job = KubeObject & {
  readonly status?: { readonly succeeded?: number; readonly failed?: number };
};

type Policy = KubeObject & {
  readonly status?: { readonly stats?: Readonly<Record<string, number | undefined>> };
};

suite('a swarm of short-lived agents', () => {
  let namespace = '';
  before(async () => {
    namespace = await freshNamespace(cluster, 'swarm');
    await cluster.api.apply(appIdentity(namespace));
    const peers = cluster.nodes.map(({ name: node }) => {
      const args = ['serve', String(PORT), 'cluster.test'];
      return optedIn({ namespace, name: `${PEER}-${node}`, node, labels: { app: PEER }, args });
    });
    await createAtOnce(cluster, peers);
    for (const peer of peers) {
      await whenReady(cluster, peer);
      await lineOf(cluster, peer, { accepts: (line) => line['listening'] !== undefined });
    }
    await expose(cluster, { namespace, app: PEER, port: PORT, to: cluster.nodes });
  });
  after(async () => await leave(cluster, namespace));

  test('has its identities at the first attempt, talks, and leaves nothing behind', async () => {
    const untouched = await footprints(cluster);
    // Of the peers, so it is looked for in the right place.
    assert.ok(untouched.every(({ records, podDirectories }) => records > 0 && podDirectories > 0));
    await swarm('first', FIRST);
    await whenAsBefore(untouched);
    const memory = PARTS.map((part) => memoryOf(cluster, part));

    const begun = Date.now();
    const lines = await swarm('others', OTHERS);
    const seconds = (Date.now() - begun) / 1000;
    await whenAsBefore(untouched);
    await whenForgotten();
    figure('swarm: agents that came and went', Math.round((OTHERS * 60) / seconds), 'a minute');
    const asked = lines.map(({ ms, asked }) => Number(ms) - Number(asked));
    figure('swarm: asked to SVID, p50', percentile(asked, 0.5), 'ms');
    figure('swarm: asked to SVID, p99', percentile(asked, 0.99), 'ms');
    for (const [index, part] of PARTS.entries()) {
      const grown = memoryOf(cluster, part) - (memory[index] ?? 0);
      figure(`swarm: ${part}, growth of memory over ${OTHERS} agents`, grown, 'MiB');
      assert.ok(grown <= MAX_GROWTH_MIB, `${part}: ${grown} MiB`);
    }
  });

  /** Runs that many agents to their end and takes them away; gives the line of each one's SVID. */
  async function swarm(wave: string, count: number): Promise<readonly Line[]> {
    const jobs = KINDS.map((kind) => job({ namespace, wave, kind, count: count / KINDS.length }));
    await createAtOnce(cluster, jobs);
    await Promise.all(jobs.map(async (job) => await whenDone(job, count / KINDS.length)));
    const selector = encodeURIComponent(`wave=${wave}`);
    const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=${selector}`;
    const agents = await cluster.api.list<Pod>(path);
    assert.equal(agents.length, count);
    assert.deepEqual(
      nodesOf(agents),
      cluster.nodes.map(({ name }) => name),
    );
    const lines: Line[] = [];
    for (const agent of agents) lines.push(await assertWell(agent));
    for (const job of jobs) {
      await cluster.api.delete(objectPath(job), { propagationPolicy: 'Background' });
    }
    await until(
      'agents to be gone',
      async () => ((await cluster.api.list(path)).length === 0 ? true : undefined),
      { timeoutMs: GONE_MS, everyMs: 250 },
    );
    return lines;
  }

  /** Nobody is served any more but the peers. */
  async function whenForgotten(): Promise<void> {
    const { length } = cluster.nodes;
    await cluster.api.waitFor<Policy>(
      objectPath(appIdentity(namespace)),
      ({ status }) =>
        status?.stats?.['podsSelected'] === length && status.stats['entriesToSet'] === length,
    );
  }

  async function assertWell(agent: Pod): Promise<Line> {
    const [svid, call, ...others] = await linesOf(cluster, agent);
    const kind = agent.metadata.labels?.['app'] ?? '';
    assert.equal(svid?.['id'], appId(namespace, kind), JSON.stringify(svid));
    assert.equal(call?.['peer'], appId(namespace, PEER), JSON.stringify(call));
    assert.deepEqual(others, []);
    return svid;
  }
});

/** One try for each: an agent that fails is none that comes again. */
function job(wanted: { namespace: string; wave: string; kind: string; count: number }): KubeObject {
  const { namespace, wave, kind, count } = wanted;
  const host = `${PEER}.${namespace}.svc.cluster.local`;
  const args = ['errand', host, String(PORT), appId(namespace, PEER)];
  const labels = { app: kind, wave, ...INJECT };
  const parallelism = AT_ONCE / KINDS.length;
  const template = podTemplate({ namespace, labels, args });
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { namespace, name: `${wave}-${kind}` },
    spec: { completions: count, parallelism, backoffLimit: 0, template },
  };
}

async function whenDone(job: KubeObject, count: number): Promise<void> {
  const { status } = await cluster.api.waitFor<Job>(
    objectPath(job),
    ({ status = {} }) => (status.failed ?? 0) > 0 || status.succeeded === count,
    { timeoutMs: DONE_MS },
  );
  if ((status?.failed ?? 0) === 0) return;
  const { namespace = '', name = '' } = job.metadata;
  const selector = encodeURIComponent(`job-name=${name}`);
  const pods = await cluster.api.list<Pod>(
    `/api/v1/namespaces/${namespace}/pods?labelSelector=${selector}`,
  );
  const failed = pods.filter(({ status }) => status?.phase === 'Failed');
  const lines = await Promise.all(failed.map(async (pod) => await linesOf(cluster, pod)));
  assert.fail(`${name}: ${JSON.stringify(lines)}`);
}

/** The kubelet tidies up some time after a pod is gone. */
async function whenAsBefore(before: readonly Footprint[]): Promise<void> {
  const names = ['podDirectories', 'records', 'mounts', 'unixSockets', 'descriptors'] as const;
  const ask = async (): Promise<true | undefined> => {
    const now = await footprints(cluster);
    const isMore = now.some((each, index) =>
      names.some((name) => each[name] > (before[index]?.[name] ?? 0) + (SLACK[name] ?? 0)),
    );
    return isMore ? undefined : true;
  };
  try {
    await until('everything of the agents to be gone', ask, { timeoutMs: GONE_MS, everyMs: 500 });
  } catch (cause) {
    const found = JSON.stringify({ before, now: await footprints(cluster) });
    throw new Error(`agents left something: ${found}`, { cause });
  }
}
