// What may stand where a volume is to be: a symlink into another pod's volume, or a mount of somebody
// else. Planted while there is no node plugin, so that it is there when the volume is asked for.

import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { whenReady } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { until } from './lib/commands.ts';
import { list, volumeOf } from './lib/faults.ts';
import { appIdentity, remove } from './lib/identities.ts';
import { type KubeObject, objectPath, type Pod } from './lib/kube-object.ts';
import { withoutPlugins } from './lib/no-plugins.ts';
import { attack } from './lib/report.ts';
import { withVolume } from './lib/volume-pod.ts';

const cluster = attached();
const [node] = cluster.nodes;
const VOLUMES = 'volumes/kubernetes.io~csi/spiffe-workload-api';
const INSIDE = '/var/lib/kubelet/pods';
const CSI_DRIVER = '/apis/storage.k8s.io/v1/csidrivers/csi.spiffe.io';

type Event = KubeObject & { readonly message?: string };

suite('in the place of a volume', () => {
  assert.ok(node !== undefined);
  let namespace = '';
  let victim: Pod;
  before(async () => {
    namespace = await freshNamespace(cluster, 'places');
    await cluster.api.apply(appIdentity(namespace));
    victim = await created('victim');
    victim = await whenReady(cluster, victim);
  });
  after(async () => {
    await remove(cluster, appIdentity(namespace));
    await cluster.deleteNamespace(namespace);
  });

  test('a symlink or a foreign mount is never followed', async () => {
    const lured = `${INSIDE}/${victim.metadata.uid ?? ''}/${VOLUMES}/mount`;
    let linked: Pod | undefined;
    let mounted: Pod | undefined;
    await withoutPlugins(cluster, async () => {
      linked = await created('linked');
      mounted = await created('mounted');
      symlinkSync(lured, join(placeOf(linked), 'mount'));
      mkdirSync(join(placeOf(mounted), 'mount'));
      const inside = `${INSIDE}/${mounted.metadata.uid ?? ''}/${VOLUMES}/mount`;
      const { status, stderr } = await node.exec(['mount', '--bind', lured, inside]);
      assert.equal(status, 0, stderr);
    });
    assert.ok(linked !== undefined && mounted !== undefined);
    const link = await failure(linked, /symbolic link|mount of another driver/);
    attack('a symlink in the place of the volume', 'root on the node', link);
    const mount = await failure(mounted, /mount of another driver/);
    attack('a foreign mount in the place of the volume', 'root on the node', mount);
    const names = list(volumeOf(node, victim) ?? '').toSorted();
    assert.deepEqual(names, ['agent.sock', 'api.sock', 'socket', 'spire-agent.sock']);
    const inside = `${INSIDE}/${mounted.metadata.uid ?? ''}/${VOLUMES}/mount`;
    assert.equal((await node.exec(['umount', inside])).status, 0);
    // Nothing in the way any more: the same pod gets its volume.
    await whenReady(cluster, mounted, 150_000);
  });

  test('a CSIDriver that says less of pods is refused', async () => {
    const spec = { podInfoOnMount: false };
    await assert.rejects(
      async () => await cluster.api.merge(CSI_DRIVER, { spec }),
      /must keep podInfoOnMount true/,
    );
    attack('CSIDriver without the pod’s name', 'editor of CSIDrivers', 'refused at admission');
  });

  async function created(name: string): Promise<Pod> {
    const pod = { namespace, name, labels: { app: name }, args: ['idle'], node: node?.name ?? '' };
    return await cluster.api.create(withVolume(pod));
  }
});

/** The directory above the volume's; made before the kubelet has. */
function placeOf({ metadata }: Pod): string {
  const place = join(node?.directory ?? '', 'kubelet/pods', metadata.uid ?? '', VOLUMES);
  mkdirSync(place, { recursive: true });
  return place;
}

async function failure(pod: Pod, message: RegExp): Promise<string> {
  const { namespace = '', uid = '' } = pod.metadata;
  const path = `/api/v1/namespaces/${namespace}/events?fieldSelector=involvedObject.uid%3D${uid}`;
  const found = await until(
    `${objectPath(pod)} to be refused its volume`,
    async () => {
      const events = await cluster.api.list<Event>(path);
      return events.find((event) => message.test(event.message ?? ''))?.message;
    },
    { timeoutMs: 150_000, everyMs: 500 },
  );
  return found.slice(found.indexOf('target_path')).slice(0, 90);
}
