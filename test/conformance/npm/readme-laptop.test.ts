// "Try it on a laptop" of client/README.md: its manifest, `signet dev`, and the two agents of the text on
// the sockets that it prints.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { DevProcess } from '../../integration/dev/dev-process.ts';
import { Application } from './application.ts';
import { freePort } from './postgres-server.ts';

const README = readFileSync(join(import.meta.dirname, '../../../client/README.md'), 'utf8');
const LIMIT_MS = 60_000;
const TRIES = 600;

/** The first block of a language that has this text in it. */
function block(language: string, text: string): string {
  const blocks = [...README.matchAll(/^```(\w*)\n(.*?)\n```$/gms)];
  const found = blocks.find(([, name, code = '']) => name === language && code.includes(text));
  assert.ok(found?.[2] !== undefined, text);
  return found[2];
}

test('two agents on a laptop, as the text says', async () => {
  const dev = new DevProcess({ 'agents.yaml': block('yaml', 'two-agents') });
  const application = await Application.create('laptop');
  const port = String(await freePort());
  const write = (name: string, text: string) =>
    application.write(name, block('ts', text).replace('8443', port));
  const run = (path: string, socket: string) => ({
    args: ['--conditions=source', path],
    options: { env: { PATH: process.env['PATH'], SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` } },
  });
  let server: ReturnType<typeof spawn> | undefined;
  try {
    await dev.start();
    const serverPod = await dev.pod('default/server');
    const clientPod = await dev.pod('default/client');
    assert.equal(serverPod.says, 'spiffe://example.org/server');
    const serving = run(write('server.ts', 'createHttpsServer({'), serverPod.socket);
    server = spawn(process.execPath, serving.args, { ...serving.options, stdio: 'inherit' });
    await answers(Number(port));
    const asking = run(write('client.ts', "await fetch('https://localhost:"), clientPod.socket);
    const limit = { ...asking.options, timeout: LIMIT_MS };
    const { stdout } = await promisify(execFile)(process.execPath, asking.args, limit);
    assert.equal(stdout, 'hello spiffe://example.org/client\n');
  } finally {
    server?.kill();
    await dev.close();
    application.remove();
  }
});

async function answers(port: number): Promise<void> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const socket = connect(port, 'localhost');
    try {
      await once(socket, 'connect');
      return;
    } catch {
      await sleep(50);
    } finally {
      socket.destroy();
    }
  }
  assert.fail('the server did not start');
}
