// The dev process is killed at any moment and started again: workloads find their sockets at the same
// paths, the same root, and nothing of pods that are gone.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SpiffeWorkloadAPI } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { createGrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { Messages } from '../node/node-harness.ts';
import { DevProcess, podManifest, policyManifest } from './dev-process.ts';

/** Moments after the start, in milliseconds: while modules load, authorities are made, sockets bound. */
const MOMENTS_MS = [90, 450, 520, 600, 700, 850];

const dev = new DevProcess({
  'policy.json': policyManifest('by-name', {
    spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Name }}',
    ttl: '6s',
  }),
  'web.json': podManifest('web'),
  'extra.json': podManifest('extra'),
});

before(async () => await dev.start());
after(async () => await dev.close());

type Seen = { readonly socket: string; readonly root: string; readonly sequence: number };

/** What a workload and an operator find: the socket, the root in the answer, the bundle's sequence. */
async function look(): Promise<Seen> {
  const { says, socket } = await dev.pod('shop/web');
  assert.equal(says, 'spiffe://example.org/web');
  const workload = createGrpcClient(SpiffeWorkloadAPI, { target: `unix:${socket}` });
  try {
    const [svid] = (await new Messages(workload.fetchX509SVID({}, dev.call)).next()).svids;
    assert.ok(svid !== undefined);
    assert.equal(svid.spiffeId, says);
    return { socket, root: Buffer.from(svid.bundle).toString('hex'), sequence: sequence() };
  } finally {
    workload.close();
  }
}

function sequence(): number {
  const directory = join(dev.runDir, 'authorities-example.org');
  const found = readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .map((name): unknown => JSON.parse(readFileSync(join(directory, name), 'utf8')))
    .find((value) => typeof value === 'object' && value !== null && 'sequence' in value);
  assert.ok(found !== undefined);
  return Number((found as { sequence: unknown }).sequence);
}

test('after a kill at any moment, a restart serves the same root at the same paths', async () => {
  let known = await look();
  for (const moment of MOMENTS_MS) {
    await dev.end('SIGKILL');
    const child = dev.spawn();
    const exit = once(child, 'exit');
    setTimeout(() => child.kill('SIGKILL'), moment);
    await exit;
    await dev.start();
    const found = await look();
    assert.equal(found.socket, known.socket);
    assert.equal(found.root, known.root);
    assert.ok(found.sequence >= known.sequence, `${found.sequence} < ${known.sequence}`);
    known = found;
  }
});

test('killed at its very first start, at any moment, it still makes one whole set of authorities', async () => {
  for (const moment of MOMENTS_MS) {
    const fresh = new DevProcess({
      'policy.json': policyManifest('p', { spiffeIDTemplate: 'spiffe://example.org/a' }),
      'web.json': podManifest('web'),
    });
    try {
      const child = fresh.spawn();
      const exit = once(child, 'exit');
      setTimeout(() => child.kill('SIGKILL'), moment);
      await exit;
      await fresh.start();
      const { socket } = await fresh.pod('shop/web');
      const stream = fresh.workload(socket).fetchX509SVID({}, fresh.call);
      assert.equal((await new Messages(stream).next()).svids.length, 1);
    } finally {
      await fresh.close();
    }
  }
});

test('SIGTERM at any moment of a start ends it in good order', async () => {
  for (const moment of MOMENTS_MS.slice(1)) {
    await dev.end('SIGKILL');
    const child = dev.spawn();
    const exit = once(child, 'close');
    setTimeout(() => child.kill('SIGTERM'), moment);
    await exit;
    const said = dev.lines.filter(({ text }) => text.startsWith('signet dev:'));
    assert.deepEqual(said, [], `after ${moment} ms`);
    // Before it listens for signals, there is nothing to put in order.
    assert.ok(child.exitCode === 0 || child.signalCode === 'SIGTERM', `after ${moment} ms`);
  }
});

test('pods that were removed while nobody watched are unpublished', async () => {
  await dev.end('SIGKILL');
  await dev.start();
  const { socket } = await dev.pod('shop/extra');
  assert.ok(existsSync(socket));
  await dev.end('SIGKILL');
  dev.remove('extra.json');
  await dev.start();
  await look();
  const directories = () => readdirSync(join(dev.runDir, 'kubelet/pods'));
  const leftOver = () =>
    directories().length > 1 || readdirSync(join(dev.runDir, 'pods')).length > 1;
  for (let tries = 0; leftOver() && tries < 1000; tries += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  assert.equal(directories().length, 1);
  assert.equal(existsSync(socket), false);
  assert.deepEqual(readdirSync(join(dev.runDir, 'pods')), ['shop.web']);
});

test('SIGTERM ends it in good order, and the next one takes over', async () => {
  await dev.end('SIGKILL');
  await dev.start();
  const { socket } = await look();
  assert.equal(await dev.end('SIGTERM'), 0);
  await dev.start();
  assert.equal((await look()).socket, socket);
});
