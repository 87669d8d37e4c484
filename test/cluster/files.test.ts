// Files beside the socket, on a real kubelet: a pod that is not root reads them by its group, sees whole
// sets only, loses them with its right, and the node's disk never has a key.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { isJsonObject, type JsonObject, type JsonValue } from '../../src/template/json-value.ts';
import { injectionPolicies } from '../../src/webhook/injection-policy.ts';
import { applyPatch } from '../../src/webhook/json-patch.ts';
import { mutatePod } from '../../src/webhook/mutate-pod.ts';
import { agentPod, type Line, whenReady } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { run, until } from './lib/commands.ts';
import { INJECT, inNamespace, optedIn, policy, remove, restriction } from './lib/identities.ts';
import { type KubeObject, objectPath, type Pod, podPath } from './lib/kube-object.ts';
import { LineFeed } from './lib/line-feed.ts';
import { figure } from './lib/report.ts';

const cluster = attached();
const GROUP = 4711;
const TRIES = 10;
const LIMIT_MS = 1000;
const ASKS = { 'signet.dev/files': 'true', 'signet.dev/jwt-audience': 'db.example.org' };
const NAME = 'reader';

suite('files on a real kubelet', () => {
  let namespace = '';
  let pod: Pod;
  let feed: LineFeed;
  let identity: KubeObject;

  before(async () => {
    namespace = await freshNamespace(cluster, 'files');
    identity = policy(namespace, {
      spiffeIDTemplate: 'spiffe://{{ .TrustDomain }}/try/{{ index .PodMeta.Labels "try" }}',
      namespaceSelector: inNamespace(namespace),
    });
    await cluster.api.apply(identity);
    const asked = optedIn({
      namespace,
      name: NAME,
      labels: { try: 'first' },
      annotations: ASKS,
      args: ['files', '/spiffe-files'],
      spec: { securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: GROUP } },
    });
    await cluster.api.create(asked);
    pod = await whenReady(cluster, asked);
    feed = new LineFeed(cluster, pod);
  });
  after(async () => {
    feed.close();
    await remove(cluster, identity);
    await cluster.deleteNamespace(namespace);
  });

  const hasId = (path: string) => (line: Line) => String(line['id']).endsWith(path);

  test('they are there at the first look of a process that is not root, by its group', async () => {
    const line = await feed.next(() => true);
    assert.equal(line['gone'], undefined, 'before the first instruction');
    assert.ok(hasId('/try/first')(line), JSON.stringify(line));
    assert.deepEqual(line['key'], { mode: 0o640, gid: GROUP, uid: 0 });
    assert.equal((line['reader'] as Line)['uid'], 1000);
    assert.deepEqual([line['aud'], line['sub']], [['db.example.org'], line['id']]);
  });

  test('a new certificate is there within a second, and there is one whole set at every look', async () => {
    const took: number[] = [];
    const serials = new Set<unknown>(feed.lines.map(({ serial }) => serial));
    for (let i = 0; i < TRIES; i += 1) {
      const from = Date.now();
      await cluster.api.merge(objectPath(identity), { spec: { ttl: `${30 + i}m` } });
      const line = await feed.next(({ serial }) => serial !== undefined && !serials.has(serial));
      serials.add(line['serial']);
      took.push(Number(line['at']) - from);
    }
    figure(`change to files, slowest of ${TRIES}`, Math.max(...took), 'ms');
    assert.deepEqual(
      took.filter((ms) => ms > LIMIT_MS),
      [],
    );
    for (const line of feed.lines) assert.equal(line['belongs'], true, JSON.stringify(line));
  });

  test('another identity takes its place, and key and token go with it', async () => {
    await cluster.api.merge(podPath(namespace, NAME), { metadata: { labels: { try: 'second' } } });
    const line = await feed.next(hasId('/try/second'));
    assert.equal(line['belongs'], true);
    assert.equal(line['sub'], line['id']);
  });

  test('no key is on the disk of the node', async () => {
    const node = cluster.nodes.find(({ name }) => name === pod.spec.nodeName);
    assert.ok(node !== undefined);
    const { stdout } = await cluster.kubectl.exec(`${namespace}/${NAME}`, [
      'cat',
      '/spiffe-files/tls.key',
    ]);
    const [, body = ''] = stdout.split('\n');
    assert.equal(body.length, 64);
    // From outside the node's mount namespace: what is mounted in it is not seen, its disk is.
    const kubelet = join(node.directory, 'kubelet');
    const place = `pods/${pod.metadata.uid ?? ''}/volumes/kubernetes.io~empty-dir/signet-files`;
    assert.deepEqual(readdirSync(join(kubelet, place)), []);
    const inside = await node.exec(['ls', `/var/lib/kubelet/${place}/tls.key`]);
    assert.equal(inside.status, 0, 'and inside it is there');
    const found = await run(['sh', '-c', `grep -rlF -- "$1" "$2" || true`, 'sh', body, kubelet]);
    assert.equal(found, '');
  });

  test('a suspension takes them away within a second, and its end brings them back', async () => {
    const suspended = restriction(namespace, { match: { namespace }, suspend: true });
    const from = Date.now();
    await cluster.api.apply(suspended);
    const line = await feed.next(({ gone }) => gone === true);
    figure('suspension to files gone', Number(line['at']) - from, 'ms');
    assert.ok(Number(line['at']) - from < LIMIT_MS);
    const { stdout } = await cluster.kubectl.exec(`${namespace}/${NAME}`, ['ls', '/spiffe-files']);
    assert.equal(stdout.trim(), '');
    await remove(cluster, suspended);
    await feed.next(({ belongs }) => belongs === true);
  });

  test('a pod cannot write there, and one that would is refused', async () => {
    const { status } = await cluster.kubectl.exec(`${namespace}/${NAME}`, [
      'touch',
      '/spiffe-files/x',
    ]);
    assert.notEqual(status, 0);
    const bold = optedIn({
      namespace,
      name: 'bold',
      annotations: ASKS,
      args: ['idle'],
      container: { volumeMounts: [{ name: 'signet-files', mountPath: '/mine' }] },
    });
    await assert.rejects(cluster.api.create(bold), /readOnly: must be true where files with keys/);
  });

  test('a pod that goes leaves nothing: the kubelet can unmount what was written into', async () => {
    const node = cluster.nodes.find(({ name }) => name === pod.spec.nodeName);
    await cluster.api.delete(objectPath(pod), { gracePeriodSeconds: 1 });
    await cluster.api.waitGone(objectPath(pod));
    const directory = join(node?.directory ?? '', 'kubelet/pods', pod.metadata.uid ?? '');
    await until('the end of the pod’s directory', () =>
      readdirSync(join(directory, '..')).includes(pod.metadata.uid ?? '') ? undefined : true,
    );
  });
});

test('the policies that inject without a webhook make the same of a pod with files', async () => {
  const namespace = await freshNamespace(cluster, 'files-policy');
  const driverName = 'other.example.org';
  const settings = { driverName, ownNamespace: 'signet' };
  const objects = injectionPolicies(namespace, settings)
    .filter(
      ({ metadata }) => isJsonObject(metadata) && metadata['name'] === `${namespace}-inject-pod`,
    )
    .map((object) => within(object, namespace));
  const created: KubeObject[] = [];
  try {
    for (const object of objects) created.push(await cluster.api.create(object));
    const asked = agentPod({
      namespace,
      name: 'asked',
      labels: INJECT,
      annotations: ASKS,
      args: ['idle'],
      spec: {
        securityContext: { fsGroup: GROUP },
        initContainers: [{ name: 'first', image: 'none' }],
      },
    });
    const ours = partsOf(
      applyPatch(
        asked as unknown as JsonValue,
        mutatePod(requestFor(asked, namespace), settings).patch,
      ),
    );
    assert.equal(ours.volumes.length, 2);
    await until('the policy to be in force', async () =>
      JSON.stringify(await dryRun(asked)).includes(driverName) ? true : undefined,
    );
    assert.deepEqual(partsOf(await dryRun(asked)), ours);
    const plain = agentPod({ namespace, name: 'plain', labels: INJECT, args: ['idle'] });
    const volumes = partsOf(await dryRun(plain)).volumes;
    assert.deepEqual(volumes, [
      { name: 'spiffe-workload-api', csi: { driver: driverName, readOnly: true } },
    ]);
  } finally {
    for (const object of created) await cluster.api.delete(objectPath(object));
    await cluster.deleteNamespace(namespace);
  }
});

async function dryRun(pod: Pod): Promise<JsonValue> {
  const path = `/api/v1/namespaces/${pod.metadata.namespace ?? ''}/pods?dryRun=All`;
  return await cluster.api.json<JsonValue>({ method: 'POST', path, body: pod });
}

/** For this namespace's pods alone: others have the real driver. */
function within(object: JsonObject, namespace: string): KubeObject {
  const spec = object['spec'];
  const constraints = isJsonObject(spec) ? spec['matchConstraints'] : undefined;
  const narrowed =
    isJsonObject(spec) && isJsonObject(constraints)
      ? { ...spec, matchConstraints: { ...constraints, namespaceSelector: inNamespace(namespace) } }
      : spec;
  return { ...object, spec: narrowed } as unknown as KubeObject;
}

function requestFor(pod: Pod, namespace: string) {
  return {
    operation: 'CREATE',
    subresource: '',
    namespace: { name: namespace, labels: {} },
    pod: pod as unknown as JsonValue,
    oldPod: null,
  };
}

/** What injection adds, without the API server's own additions. */
function partsOf(pod: JsonValue) {
  const spec = isJsonObject(pod) && isJsonObject(pod['spec']) ? pod['spec'] : {};
  const listed = (from: JsonObject, name: string): readonly JsonObject[] => {
    const list = from[name];
    return Array.isArray(list) ? list.filter(isJsonObject) : [];
  };
  const isOwn = ({ name }: JsonObject) =>
    typeof name === 'string' && !name.startsWith('kube-api-access');
  return {
    volumes: listed(spec, 'volumes').filter(isOwn),
    containers: [...listed(spec, 'initContainers'), ...listed(spec, 'containers')].map((each) => ({
      name: each['name'],
      mounts: listed(each, 'volumeMounts').filter(isOwn),
      env: listed(each, 'env'),
    })),
  };
}
