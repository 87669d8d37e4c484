// What Signet leaves alone: pods that did not ask, pods that must not wait for it, pods that bring the
// volume themselves, and policies of another class.

import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type AgentPod, agentPod, whenEnded } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { appIdentity, INJECT, inNamespace, OPTED_OUT, policy, remove } from './lib/identities.ts';
import {
  type Conditioned,
  collectionPath,
  hasCondition,
  objectPath,
  type Pod,
  podPath,
} from './lib/kube-object.ts';
import { SIGNET_NAMESPACE } from './lib/signet.ts';

const cluster = attached();
const MIRROR = { 'kubernetes.io/config.mirror': 'a-hash' } as const;
const VOLUME = 'csi:csi.spiffe.io';

suite('untouched', () => {
  let namespace = '';
  /** Where all pods are injected that say nothing else. */
  let injecting = '';
  before(async () => {
    namespace = await freshNamespace(cluster, 'untouched');
    injecting = await freshNamespace(cluster, 'injecting', INJECT);
  });
  after(async () => {
    for (const each of [namespace, injecting]) await cluster.deleteNamespace(each);
  });

  test('but a pod that asks is not, nor one in a namespace that asks', async () => {
    const served = [
      'annotation:signet.dev/injected',
      VOLUME,
      'env:SPIFFE_ENDPOINT_SOCKET',
      'mount:/spiffe-workload-api',
    ];
    assert.deepEqual(await additions({ namespace, labels: INJECT }), served);
    assert.deepEqual(await additions({ namespace: injecting }), served);
  });

  test('a pod without the label', async () => {
    assert.deepEqual(await additions({ namespace }), []);
  });

  test('a pod that opts out where its namespace opts in', async () => {
    assert.deepEqual(await additions({ namespace: injecting, labels: OPTED_OUT }), []);
  });

  test("pods of kube-system and of Signet's own namespace, labelled or not", async () => {
    for (const namespace of ['kube-system', SIGNET_NAMESPACE]) {
      assert.deepEqual(await additions({ namespace }), []);
      assert.deepEqual(await additions({ namespace, labels: INJECT }), []);
    }
  });

  test('pods that may have to start before Signet', async () => {
    const spec = { hostNetwork: true };
    assert.deepEqual(await additions({ namespace, labels: INJECT, spec }), []);
    const mirror = { namespace, labels: INJECT, annotations: MIRROR };
    const bound = { nodeName: cluster.nodes[0]?.name, automountServiceAccountToken: false };
    assert.deepEqual(await additions({ ...mirror, spec: bound }), [
      'annotation:kubernetes.io/config.mirror',
    ]);
  });

  test('a static pod of a kubelet', async () => {
    const [node] = cluster.nodes;
    assert.ok(node !== undefined);
    const pod = agentPod({ namespace, name: 'static', args: ['idle'], labels: INJECT });
    const file = join(node.directory, 'manifests/static.json');
    writeFileSync(file, JSON.stringify(pod));
    const path = podPath(namespace, `static-${node.name}`);
    try {
      const isRunning = ({ status }: Pod): boolean => status?.phase === 'Running';
      const mirror = await cluster.api.waitFor<Pod>(path, isRunning);
      assert.equal(
        additionsTo(mirror).some((each) => each.includes('spiffe')),
        false,
      );
    } finally {
      rmSync(file);
    }
    await cluster.api.waitGone(path);
  });

  test('a pod that mounts the driver itself: never twice, nothing over it', async () => {
    const own = {
      spec: { volumes: [{ name: 'mine', csi: { driver: 'csi.spiffe.io', readOnly: true } }] },
      container: { volumeMounts: [{ name: 'mine', mountPath: '/mine', readOnly: true }] },
    };
    for (const labels of [{}, INJECT]) {
      assert.deepEqual(await additions({ namespace, labels, ...own }), [VOLUME, 'mount:/mine']);
    }
    // What has been injected is not injected again.
    const once = await dryRun(
      agentPod({ namespace, name: 'again', args: ['idle'], labels: INJECT }),
    );
    const { annotations = {}, labels = {} } = once.metadata;
    const again = await dryRun({
      ...once,
      metadata: { namespace, name: 'again', annotations, labels },
    });
    assert.deepEqual(again.spec, once.spec);
  });

  test('a policy of another class: no identity, no status', async () => {
    const className = 'somebody-elses';
    const foreign = await cluster.api.create(appIdentity(namespace, { className }));
    const pod = agentPod({ namespace, name: 'lone', args: ['once'], labels: INJECT });
    await cluster.api.create(pod);
    const { exitCode, lines } = await whenEnded(cluster, pod);
    assert.deepEqual([exitCode, lines[0]?.['code']], [1, 'permission-denied']);
    // One of ours, made after it, has its status: the other was passed by on the way.
    const ours = policy(`${namespace}-ours`, {
      spiffeIDTemplate: 'spiffe://{{ .TrustDomain }}/nobody',
      namespaceSelector: inNamespace('there-is-none'),
    });
    await cluster.api.create(ours);
    await cluster.api.waitFor<Conditioned>(objectPath(ours), (it) => hasCondition(it, 'Ready'));
    assert.deepEqual(await cluster.api.get(objectPath(foreign)), foreign);
    for (const each of [foreign, ours]) await remove(cluster, each);
  });
});

/** What the API server makes of a new pod beside what every pod gets from it. */
async function additions(pod: Omit<AgentPod, 'name' | 'args'>): Promise<readonly string[]> {
  return additionsTo(await dryRun(agentPod({ name: 'untouched', args: ['idle'], ...pod })));
}

/** All of admission, and nothing stored. */
async function dryRun(pod: Pod): Promise<Pod> {
  const path = `${collectionPath(pod)}?dryRun=All`;
  return await cluster.api.json<Pod>({ method: 'POST', path, body: pod });
}

function additionsTo({ metadata, spec }: Pod): readonly string[] {
  const { volumes = [], containers = [] } = spec as unknown as PodSpec;
  const found = [
    ...Object.keys(metadata.annotations ?? {}).map((name) => `annotation:${name}`),
    ...volumes.flatMap(({ csi }) => (csi === undefined ? [] : [`csi:${csi.driver}`])),
    ...containers.flatMap(({ env = [], volumeMounts = [] }) => [
      ...env.map(({ name }) => `env:${name}`),
      ...volumeMounts.map(({ mountPath }) => `mount:${mountPath}`),
    ]),
  ];
  return found.filter((each) => each !== `mount:${TOKENS}`).toSorted();
}

/** Every pod has its ServiceAccount's token there. */
const TOKENS = '/var/run/secrets/kubernetes.io/serviceaccount';

type PodSpec = {
  readonly volumes?: readonly { readonly csi?: { readonly driver: string } }[];
  readonly containers?: readonly {
    readonly env?: readonly { readonly name: string }[];
    readonly volumeMounts?: readonly { readonly mountPath: string }[];
  }[];
};
