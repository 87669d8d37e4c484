// Pods as they are written for SPIRE's CSI driver: every mount path and name of the socket that is in use.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { agentPod, linesOf, whenEnded } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { appId, appIdentity, OPTED_OUT, remove } from './lib/identities.ts';
import { AGENT_IMAGE } from './lib/images.ts';
import { mountAt, volume, withVolume } from './lib/volume-pod.ts';

const cluster = attached();
const PLACES = [
  ['/spiffe-workload-api', 'spire-agent.sock'],
  ['/spire-workload-api', 'spire-agent.sock'],
  ['/spire-agent-socket', 'agent.sock'],
  ['/run/secrets/workload-spiffe-uds', 'socket'],
  ['/run/spire/sockets', 'api.sock'],
] as const;

suite('pods that bring the volume', () => {
  let namespace = '';
  before(async () => {
    namespace = await freshNamespace(cluster, 'shapes');
    await cluster.api.apply(appIdentity(namespace));
  });
  after(async () => {
    await remove(cluster, appIdentity(namespace));
    await cluster.deleteNamespace(namespace);
  });

  test('with each mount path and name of the socket, as nobody in particular', async () => {
    const pods = PLACES.map(([mountPath, socket], index) => {
      const name = `place-${index}`;
      const spec = { securityContext: { runAsUser: 1001, runAsNonRoot: true } };
      const pod = { namespace, name, labels: { app: name }, args: ['once'], spec };
      return withVolume(pod, { mountPath, socket });
    });
    for (const pod of pods) await cluster.api.create(pod);
    for (const pod of pods) {
      const { lines } = await whenEnded(cluster, pod);
      assert.equal(lines[0]?.['id'], appId(namespace, pod.metadata.name ?? ''));
    }
  });

  test('in an init container and beside, not in the main one', async () => {
    const first = container('first', ['sh', '-c', 'while [ ! -e /mine/socket ]; do sleep 1; done']);
    const second = container('second', undefined);
    const pod = agentPod({
      namespace,
      name: 'parts',
      labels: { app: 'parts', ...OPTED_OUT },
      // The main one has no mount and no variable, and is given nothing.
      args: ['once'],
      spec: { volumes: [volume()], initContainers: [first, second] },
    });
    await cluster.api.create(pod);
    const { exitCode } = await whenEnded(cluster, pod);
    assert.equal(exitCode, 1);
    const lines = await linesOf(cluster, pod, 'second');
    assert.equal(lines[0]?.['id'], appId(namespace, 'parts'));
  });

  test('that is not read-only is refused', async () => {
    const pod = agentPod({
      namespace,
      name: 'writable',
      args: ['once'],
      labels: OPTED_OUT,
      spec: { volumes: [{ name: 'spiffe', csi: { driver: 'csi.spiffe.io' } }] },
    });
    await assert.rejects(async () => await cluster.api.create(pod), /readOnly/);
  });
});

function container(name: string, command: readonly string[] | undefined): object {
  return {
    name,
    image: AGENT_IMAGE,
    imagePullPolicy: 'Never',
    ...(command === undefined ? { args: ['once'] } : { command }),
    volumeMounts: [mountAt('/mine')],
    env: [{ name: 'SPIFFE_ENDPOINT_SOCKET', value: 'unix:/mine/spire-agent.sock' }],
  };
}
