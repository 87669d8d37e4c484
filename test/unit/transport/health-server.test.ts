import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { HealthServer } from '../../../src/transport/health/health-server.ts';

let missing: string[];
let server: HealthServer;

beforeEach(async () => {
  missing = [];
  server = new HealthServer({ host: '127.0.0.1', port: 0, missing: () => missing });
  await server.listen();
});
afterEach(async () => {
  await server.close();
});

async function get(path: string, method = 'GET') {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
  return [response.status, await response.text()] as const;
}

test('H-12: alive whatever is missing, ready when nothing is, and the reasons are said', async () => {
  assert.deepEqual(await get('/livez'), [200, 'ok\n']);
  assert.deepEqual(await get('/readyz'), [200, 'ok\n']);
  missing = ['view: too old', 'authorities: expired'];
  assert.deepEqual(await get('/livez'), [200, 'ok\n']);
  assert.deepEqual(await get('/readyz'), [503, 'view: too old\nauthorities: expired\n']);
  assert.deepEqual(await get('/readyz', 'HEAD'), [503, '']);
});

test('nothing else is served, and nothing is taken', async () => {
  for (const path of ['/', '/metrics', '/livez/', '/livez?x', '/../livez/x']) {
    assert.equal((await get(path))[0], 404, path);
  }
  for (const method of ['POST', 'PUT', 'DELETE'])
    assert.equal((await get('/livez', method))[0], 404);
});

test('headers have a limit', async () => {
  const huge = { 'x-filler': 'x'.repeat(5000) };
  const response = await fetch(`http://127.0.0.1:${server.port}/livez`, { headers: huge });
  assert.equal(response.status, 431);
});

test('a connection that says nothing does not keep the server from closing', async () => {
  const socket = connect(server.port, '127.0.0.1');
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve);
  });
  const ended = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
  socket.on('error', () => {});
  await server.close();
  await ended;
  await server.listen();
});

test('a port that is taken is an error at once', async () => {
  const other = new HealthServer({ host: '127.0.0.1', port: server.port, missing: () => [] });
  await assert.rejects(other.listen(), { code: 'EADDRINUSE' });
});
