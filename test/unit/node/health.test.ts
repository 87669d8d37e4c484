import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { csiIdentity } from '../../../src/node/csi/csi-identity.ts';
import { PluginSocket } from '../../../src/node/csi/plugin-socket.ts';
import type { RegistrationState } from '../../../src/node/csi/registration.ts';
import { HealthServer } from '../../../src/node/health.ts';

let directory: string;
let health: HealthServer;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'signet-health-'));
  health = new HealthServer();
  await health.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(async () => {
  await health.close();
  rmSync(directory, { recursive: true });
});

async function ask(path: string, method = 'GET'): Promise<number | undefined> {
  return await new Promise((resolve, reject) => {
    const { host, port } = health.at ?? assert.fail('does not listen');
    const asked = request({ host, port, path, method }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.on('error', reject);
    asked.end();
  });
}

test('RG-08: alive is who answers a probe over the CSI socket', async () => {
  assert.equal(await ask('/healthz'), 503, 'nothing has started');
  const csiEndpoint = join(directory, 'csi.sock');
  health.started({ csiEndpoint, registration: () => 'registered' });
  assert.equal(await ask('/healthz'), 503, 'nobody listens');
  let ready = false;
  const identity = csiIdentity({ driverName: 'd', version: '1', ready: () => ready });
  const socket = await PluginSocket.listen({ path: csiEndpoint, services: [identity] });
  assert.equal(await ask('/healthz'), 503, 'says itself that it is not ready');
  ready = true;
  assert.equal(await ask('/healthz'), 200);
  const many = await Promise.all(Array.from({ length: 20 }, async () => await ask('/healthz')));
  assert.ok(many.every((status) => status === 200));
  await socket.close();
  assert.equal(await ask('/healthz'), 503);
});

test('who gets ready to take over is alive, however long that takes, and not ready', async () => {
  health.takingOver();
  assert.deepEqual([await ask('/healthz'), await ask('/readyz')], [200, 503]);
  health.started({ csiEndpoint: join(directory, 'csi.sock'), registration: () => 'waiting' });
  assert.equal(await ask('/healthz'), 503, 'from then on it answers for itself');
});

test('ready is who is registered, or whom somebody else registers', async () => {
  assert.equal(await ask('/readyz'), 503);
  let state: RegistrationState | 'off' = 'waiting';
  health.started({ csiEndpoint: '/none', registration: () => state });
  for (const [next, status] of [
    ['waiting', 503],
    ['refused', 503],
    ['registered', 200],
    ['yielded', 503],
    ['off', 200],
  ] as const) {
    state = next;
    assert.equal(await ask('/readyz'), status, next);
  }
});

test('nothing else is answered', async () => {
  assert.equal(await ask('/'), 404);
  assert.equal(await ask('/healthz?x'), 404);
  assert.equal(await ask('/healthz', 'POST'), 405);
});

test('an address that is taken is a mistake of configuration', async () => {
  const second = new HealthServer();
  await assert.rejects(second.listen(health.at ?? assert.fail()), { code: 'invalid-argument' });
});
