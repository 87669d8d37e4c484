// Whatever made the pod and however it is set up: its SVID is there at the first attempt. Each asks
// exactly once, and nothing may have been started a second time.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { lineOf, linesOf } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { appId, appIdentity, remove } from './lib/identities.ts';
import { type KubeObject, objectPath, type Pod } from './lib/kube-object.ts';
import { createAtOnce, nodesOf, whenAll } from './lib/pods.ts';
import {
  cronJob,
  deployment,
  INIT_CONTAINER,
  job,
  jobOf,
  onEachNode,
  type Place,
  RESTRICTED,
  SIDECAR,
  statefulSet,
} from './lib/workloads.ts';

const cluster = attached();
const nodes = cluster.nodes.map(({ name }) => name);
const AS_USER = { runAsUser: 1000, runAsGroup: 1000, runAsNonRoot: true };

suite('a pod has its SVID at its first attempt', { concurrency: true }, () => {
  let place: Place;
  before(async () => {
    const namespace = await freshNamespace(cluster, 'workloads');
    place = { namespace, nodes };
    await cluster.api.apply(appIdentity(namespace));
  });
  after(async () => {
    await remove(cluster, appIdentity(place.namespace));
    await cluster.deleteNamespace(place.namespace);
  });

  test('of a Deployment', async () => await stays(deployment(place, 'deployment')));

  test('of a StatefulSet', async () => await stays(statefulSet(place, 'stateful')));

  test('of a Job', async () => {
    await ends('job', [job(place, 'job')]);
  });

  test('of a CronJob', async () => {
    const regular = cronJob(place, 'cron');
    await ends('cron', [regular, jobOf(regular)]);
  });

  test('without an owner', async () => {
    await ends('bare', onEachNode(place, 'bare'));
  });

  test('in an init container, and in the container after it', async () => {
    const spec = { initContainers: [INIT_CONTAINER] };
    for (const pod of await ends('init', onEachNode(place, 'init', { spec }))) {
      await assertFirst(pod, 'first');
    }
  });

  test('in a native sidecar, and in the container beside it', async () => {
    const spec = { initContainers: [SIDECAR] };
    for (const pod of await ends('sidecar', onEachNode(place, 'sidecar', { spec }))) {
      await assertFirst(pod, 'beside');
    }
  });

  test('as another user than root', async () => {
    const container = { securityContext: AS_USER };
    await ends('user', onEachNode(place, 'user', { container }));
  });

  test('on a read-only root file system', async () => {
    const container = { securityContext: { readOnlyRootFilesystem: true } };
    await ends('readonly', onEachNode(place, 'readonly', { container }));
  });

  test('in a user namespace (hostUsers: false)', async (t) => {
    if (!(await haveUserNamespaces())) {
      t.skip('the container runtime here cannot: containerd 2.0 is the first that can');
      return;
    }
    await ends('userns', onEachNode(place, 'userns', { spec: { hostUsers: false } }));
  });

  test('in a namespace that enforces the Pod Security Standard "restricted"', async () => {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    const namespace = await freshNamespace(cluster, 'restricted', labels);
    await cluster.api.apply(appIdentity(namespace));
    // It does enforce it.
    await assert.rejects(
      async () => await createAtOnce(cluster, onEachNode({ namespace, nodes }, 'loose')),
      /violates PodSecurity/,
    );
    await ends('tight', onEachNode({ namespace, nodes }, 'tight', RESTRICTED));
    await remove(cluster, appIdentity(namespace));
    await cluster.deleteNamespace(namespace);
  });
});

/** Creates what makes pods that end, and checks one on each node. */
async function ends(app: string, objects: readonly KubeObject[]): Promise<readonly Pod[]> {
  await createAtOnce(cluster, objects);
  const namespace = objects[0]?.metadata.namespace ?? '';
  const pods = await whenAll(cluster, {
    namespace,
    selector: `app=${app}`,
    count: nodes.length,
    accepts: ({ status }) => ['Succeeded', 'Failed'].includes(status?.phase ?? ''),
  });
  assert.deepEqual(nodesOf(pods), nodes);
  for (const pod of pods) {
    await assertFirst(pod, 'agent');
    assert.equal(pod.status?.phase, 'Succeeded');
  }
  return pods;
}

/** Creates what makes pods that stay, and checks one on each node. */
async function stays(object: KubeObject): Promise<void> {
  const { namespace = '', name: app = '' } = object.metadata;
  await cluster.api.create(object);
  const pods = await whenAll(cluster, {
    namespace,
    selector: `app=${app}`,
    count: nodes.length,
    accepts: ({ status }) => status?.containerStatuses?.[0]?.state?.running !== undefined,
  });
  assert.deepEqual(nodesOf(pods), nodes);
  for (const pod of pods) {
    await lineOf(cluster, pod, { accepts: () => true });
    await assertFirst(pod, 'agent');
  }
}

/** The container's only line is its SVID, and it was never started again. */
async function assertFirst(pod: Pod, container: string): Promise<void> {
  const { namespace = '', labels = {}, name } = pod.metadata;
  const [line, ...others] = await linesOf(cluster, pod, container);
  assert.equal(line?.['id'], appId(namespace, labels['app'] ?? ''), JSON.stringify({ name, line }));
  assert.deepEqual(others, []);
  // Read after the line, so that a start between the two shows.
  const { status: now } = await cluster.api.get<Pod>(objectPath(pod));
  const { initContainerStatuses = [], containerStatuses = [] } = now ?? {};
  const status = [...initContainerStatuses, ...containerStatuses].find(
    ({ name }) => name === container,
  );
  assert.equal(status?.restartCount, 0);
}

/** On every node, says its container runtime. */
async function haveUserNamespaces(): Promise<boolean> {
  const found = await cluster.api.list<KubeObject>('/api/v1/nodes');
  return found.every((node) => {
    const { runtimeHandlers = [] } = (node['status'] ?? {}) as {
      runtimeHandlers?: readonly { features?: { userNamespaces?: boolean } }[];
    };
    return runtimeHandlers.some(({ features }) => features?.userNamespaces === true);
  });
}
