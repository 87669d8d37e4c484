// One plugin instance takes a node over from another: no client of any volume may notice. Real
// issuer, real sockets, real time.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { runNodePlugin } from '../../../src/node/main.ts';
import { SpiffeWorkloadAPI } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { createGrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { FakeKubelet, type PublishRequest } from '../../fakes/fake-kubelet.ts';
import { entry } from '../../unit/issuer/fixtures.ts';
import { HEADER, Messages, until } from './node-harness.ts';
import { RealIssuer } from './real-issuer.ts';
import { fetchOnce, RestlessClient, type WatchedVolume } from './restless-client.ts';

const VOLUMES = 30;

type Volume = WatchedVolume & { readonly request: PublishRequest };
type Instance = {
  readonly ready: Promise<void>;
  /** It wants to call the issuer. */
  readonly asked: Promise<void>;
  isReady(): boolean;
  stop(): Promise<void>;
};

let kubelet: FakeKubelet;
let issuer: RealIssuer;
let instances: Instance[];
let clients: RestlessClient[];

beforeEach(async () => {
  kubelet = new FakeKubelet();
  mkdirSync(join(kubelet.root, 's'));
  issuer = await RealIssuer.start();
  instances = [];
  clients = [];
});
afterEach(async () => {
  await Promise.all(clients.map(async (client) => await client.end()));
  for (const instance of instances) await instance.stop();
  await issuer.stop();
  kubelet.close();
});

/** `gate` is awaited before the issuer is called. */
function start(gate: Promise<void> = Promise.resolve()): Instance {
  const stop = new AbortController();
  const ready = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  let isReady = false;
  const done = runNodePlugin(
    {
      nodeName: issuer.node,
      driverName: 'csi.spiffe.io',
      kubeletRoot: kubelet.root,
      trustDomain: issuer.trustDomain,
      issuer: {
        ...issuer.forPlugin,
        ready: async (signal) => {
          asked.resolve();
          const aborted = new Promise<void>((resolve) => {
            signal.addEventListener('abort', () => resolve(), { once: true });
          });
          await Promise.race([gate, aborted]);
        },
      },
      clock: systemClock,
      log: silentLogger,
      version: '1.2.3',
      onReady: () => {
        isReady = true;
        ready.resolve();
      },
    },
    stop.signal,
  );
  const instance: Instance = {
    ready: Promise.race([ready.promise, done]),
    asked: asked.promise,
    isReady: () => isReady,
    stop: async () => {
      stop.abort();
      await done;
    },
  };
  instances.push(instance);
  return instance;
}

async function publish(): Promise<Volume> {
  const uid = randomUUID();
  const id = issuer.addPod(uid);
  const request = kubelet.request({ uid });
  await kubelet.node.nodePublishVolume(request);
  const link = join(kubelet.root, 's', uid.slice(0, 8));
  symlinkSync(request.targetPath, link);
  return { request, socket: join(link, 'spire-agent.sock'), id };
}

async function publishMany(): Promise<readonly Volume[]> {
  const volumes: Volume[] = [];
  for (let count = 0; count < VOLUMES; count += 1) volumes.push(await publish());
  return volumes;
}

/** Lets every client fetch some more. */
async function furtherRounds(rounds: number): Promise<void> {
  const before = clients.map((client) => client.fetched);
  await until(() => clients.every((client, at) => client.fetched >= (before[at] ?? 0) + rounds));
}

const inodeOf = (path: string) => lstatSync(path).ino;

test('30 volumes, their clients without pause: an update costs no connect and no first answer', async () => {
  const older = start();
  await older.ready;
  const volumes = await publishMany();
  clients = volumes.map((volume) => new RestlessClient(volume));
  await furtherRounds(2);
  const inodes = volumes.map(({ socket }) => inodeOf(socket));
  const newer = start();
  await newer.ready;
  assert.ok(
    volumes.every(({ socket }, at) => inodeOf(socket) !== inodes[at]),
    'taken over',
  );
  await furtherRounds(2);
  await older.stop();
  await furtherRounds(3);
  assert.deepEqual([...new Set(clients.flatMap((client) => client.failures))], []);
});

test('what the kubelet publishes and unpublishes meanwhile is neither lost nor kept', async () => {
  const older = start();
  await older.ready;
  const [kept, ended] = [await publish(), await publish()];
  const gate = Promise.withResolvers<void>();
  const newer = start(gate.promise);
  await newer.asked;
  const late = await publish();
  const { volumeId, targetPath } = ended.request;
  await kubelet.node.nodeUnpublishVolume({ volumeId, targetPath });
  assert.equal(newer.isReady(), false);
  gate.resolve();
  await newer.ready;
  await older.stop();
  for (const { socket, id } of [kept, late]) assert.equal(await fetchOnce(socket), id);
  assert.equal(existsSync(targetPath), false);
  assert.deepEqual(recorded(), [kept, late].map(({ request }) => request.volumeId).toSorted());
});

test('a call that was on its way to the older one is sent to the newer one', async () => {
  const older = start();
  await older.ready;
  const { request, socket, id } = await publish();
  const newer = start();
  await newer.ready;
  const { volumeId, targetPath } = request;
  // Over the connection that it has.
  await assert.rejects(kubelet.node.nodePublishVolume(request), { code: 'unavailable' });
  await assert.rejects(kubelet.node.nodeUnpublishVolume({ volumeId, targetPath }), {
    code: 'unavailable',
  });
  assert.equal(await fetchOnce(socket), id);
  kubelet.hangUp();
  await kubelet.node.nodePublishVolume(request);
  await kubelet.node.nodeUnpublishVolume({ volumeId, targetPath });
  assert.equal(existsSync(targetPath), false);
  await older.stop();
  assert.deepEqual(recorded(), []);
});

test('an open stream stays with the older one to its end, and then the next is answered', async () => {
  const older = start();
  await older.ready;
  const { request, socket, id } = await publish();
  const client = createGrpcClient(SpiffeWorkloadAPI, { target: `unix:${socket}` });
  const stream = new Messages(client.fetchX509SVID({}, { metadata: HEADER }));
  assert.equal((await stream.next()).svids[0]?.spiffeId, id);
  await start().ready;
  const uid = request.volumeContext['csi.storage.k8s.io/pod.uid'] ?? '';
  issuer.pods.set({ ...(issuer.pods.pod(uid) ?? assert.fail()), entries: [entry()] });
  assert.equal((await stream.next()).svids[0]?.spiffeId, entry().spiffeId, 'served still');
  const ended = assert.rejects(stream.next(), { code: 'unavailable' });
  await older.stop();
  await ended;
  const again = new Messages(client.fetchX509SVID({}, { metadata: HEADER }));
  assert.equal((await again.next()).svids[0]?.spiffeId, entry().spiffeId);
  client.close();
});

test('one that cannot reach the issuer waits while another serves, and no longer', async () => {
  const older = start();
  await older.ready;
  const { request, socket, id } = await publish();
  const inode = inodeOf(socket);
  const newer = start(new Promise(() => {}));
  await newer.asked;
  assert.equal(await fetchOnce(socket), id);
  assert.equal(inodeOf(socket), inode);
  await older.stop();
  await newer.ready;
  assert.notEqual(inodeOf(socket), inode);
  kubelet.hangUp();
  await kubelet.node.nodePublishVolume(request);
});

test('one that ends before it has taken over leaves everything as it was', async () => {
  const older = start();
  await older.ready;
  const { socket, id } = await publish();
  const newer = start(new Promise(() => {}));
  await newer.asked;
  await newer.stop();
  assert.equal(newer.isReady(), false);
  assert.equal(await fetchOnce(socket), id);
  kubelet.hangUp();
  await publish();
});

const recorded = () =>
  readdirSync(join(kubelet.root, 'plugins/signet.dev/csi.spiffe.io/volumes'))
    .map((file) => file.replace(/\.json$/, ''))
    .toSorted();
