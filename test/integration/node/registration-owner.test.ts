// Who has the registration's name when another socket stands there: it goes with the CSI socket.

import assert from 'node:assert/strict';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { PluginSocket } from '../../../src/node/csi/plugin-socket.ts';
import { HiddenListener } from '../../../src/node/volume/hidden-listener.ts';
import { Registration } from '../../../src/transport/gen/kubelet/plugin_registration_pb.ts';
import { bindService } from '../../../src/transport/rpc.ts';
import { NodeHarness, until } from './node-harness.ts';

let node: NodeHarness;
const closing: (() => Promise<void>)[] = [];
beforeEach(async () => {
  node = await NodeHarness.start();
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await node.stop();
});

const NAME = 'csi.spiffe.io-reg.sock';
const path = () => join(node.kubelet.root, 'plugins_registry', NAME);
const inode = () => lstatSync(path()).ino;

/** Another plugin's registration, put over ours. */
async function putOver(endpoint: string): Promise<void> {
  const service = bindService(Registration, {
    getInfo: async () => ({
      type: 'CSIPlugin',
      name: 'csi.spiffe.io',
      endpoint,
      supportedVersions: ['1.0.0'],
    }),
    notifyRegistrationStatus: async () => ({}),
  });
  const socket = await PluginSocket.listen({ path: path(), services: [service] });
  closing.push(async () => await socket.close());
}

test('RG-06: of two that start at once the one with the CSI socket has the registration too', async () => {
  await putOver(node.kubelet.csiSocket);
  const theirs = inode();
  await until(
    () => inode() !== theirs,
    async () => await node.clock.advance(3000),
  );
  assert.equal((await node.kubelet.node.nodeGetInfo({})).nodeId, 'node-1');
});

test('RG-05: a name at which nobody answers is taken back', async () => {
  const dead = await HiddenListener.bind({
    pathOf: (name) => join(node.kubelet.root, 'plugins_registry', name),
    publicName: NAME,
    mode: 0o600,
    replace: true,
    accept: (connection) => connection.destroy(),
  });
  await dead.close();
  await until(
    () => inode() !== dead.inode,
    async () => await node.clock.advance(3000),
  );
});

test('RG-06: to a driver with another CSI socket the name is left, and every call refused', async () => {
  await putOver('/another/csi.sock');
  const theirs = inode();
  let code = '';
  await until(
    () => code !== '',
    async () => {
      await node.clock.advance(3000);
      const { volumeId, targetPath } = node.kubelet.request();
      await node.kubelet.node.nodeUnpublishVolume({ volumeId, targetPath }).catch((thrown) => {
        code = String(thrown.code);
      });
    },
  );
  assert.equal(code, 'unavailable');
  await node.clock.advance(30_000);
  assert.equal(inode(), theirs);
});
