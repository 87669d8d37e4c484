// The code of client/README.md: all of it is type-checked against the packages it names, and what a
// reader would start with is run as it stands there.

import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { createHttp2Server, createHttpsServer, exactly } from '../../../client/src/index.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { ClaudeApi } from '../../fakes/claude-api.ts';
import { JwtSigner } from '../../fakes/jwt-signer.ts';
import { CLIENT_ID, startTwoAgents } from '../../integration/client/two-agents.ts';
import { Application } from './application.ts';
import { freePort } from './postgres-server.ts';
import { blocks, blockWith, RUN } from './readme-blocks.ts';

const AGENT = 'spiffe://example.org/client';
const LIMIT_MS = 60_000;
const execute = promisify(execFile);

const application = await Application.create('readme');
const agents = await startTwoAgents();
const children: ChildProcess[] = [];
after(async () => {
  for (const child of children) child.kill();
  await agents.stop();
  application.remove();
});

/** Lines of code without imports. */
function linesOf(block: string): number {
  return block.split('\n').filter((line) => line !== '' && !line.startsWith('import')).length;
}

const write = (name: string, text: string): string => application.write(name, text);

test('every block is well typed against the packages it names', async () => {
  assert.ok(blocks.length >= 6);
  const files = blocks.map((block, index) => write(`block-${index}.ts`, `${block}\nexport {};\n`));
  assert.equal(await application.typeErrors(files), '');
});

test('two agents: ten lines, run as they stand', async () => {
  const server = blockWith(RUN.server);
  const client = blockWith(RUN.client);
  assert.ok(linesOf(server) <= 10 && linesOf(client) <= 10);
  // Somebody else may have the port of the text.
  const port = await freePort();
  const at = (code: string) => code.replace('8443', String(port));
  const running = start(write('server.ts', at(server)), agents.server.api.address);
  await listening(port, running);
  const { stdout } = await runToEnd(write('client.ts', at(client)), agents.client.api.address);
  assert.equal(stdout, `hello ${CLIENT_ID}\n`);
});

test('a Claude call: run as it stands, but for where the API is', async () => {
  const block = blockWith(RUN.claude);
  assert.ok(linesOf(block) <= 6);
  const signer = new JwtSigner('key-1', 'RS256');
  const token = await signer.token(AGENT, 'https://api.anthropic.com');
  agents.client.api.jwtSvid = () => ({ svids: [{ spiffeId: AGENT, svid: token }] });
  const api = new ClaudeApi(
    {
      id: 'fdrl_1',
      organization: 'org-uuid',
      serviceAccount: 'svac_1',
      workspaces: ['default'],
      issuer: 'https://oidc.example.org',
      audience: 'https://api.anthropic.com',
      subjectPrefix: AGENT,
      maxLifeSeconds: 3600,
      tokenLifeSeconds: 600,
    },
    signer.keyOf,
  );
  await api.start();
  try {
    const code = block
      .replace('...rule }', `...rule, baseUrl: '${api.url}' }`)
      .replace('{ credentials }', `{ credentials, baseURL: '${api.url}' }`);
    const { stdout } = await runToEnd(write('claude.ts', code), agents.client.api.address);
    assert.match(stdout, /hello, sk-ant-oat01-1/);
    assert.deepEqual(api.history, []);
  } finally {
    api.close();
  }
});

test('undici, HTTP/2 and gRPC: run as they stand, but for where the server is', async () => {
  const check = { source: agents.server.source, authorize: exactly(CLIENT_ID) };
  const server = createHttp2Server(check, (_request, response) => {
    response.end('hello');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = String((server.address() as AddressInfo).port);
  const code = blockWith(RUN.undici)
    .replace('server.example.org/', `localhost:${port}/`)
    .replace('server.example.org:443', `localhost:${port}`)
    .replace('8443', port);
  const use = `
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    client.waitForReady(Date.now() + 30_000, (error) => (error ? reject(error) : resolve()));
    await promise;
    console.log(await response.text(), session.alpnProtocol, 'connected');
    process.exit(0);`;
  const path = write('undici.ts', `${code}${use}`);
  const { stdout } = await runToEnd(path, agents.client.api.address);
  assert.equal(stdout, 'hello h2 connected\n');
  server.close();
});

test('a connection that is cut off: run as it stands', async () => {
  const check = { source: agents.server.source, authorize: exactly(CLIENT_ID) };
  const server = createHttpsServer(check, (_request, response) => {
    response.write('first');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = String((server.address() as AddressInfo).port);
  const code = blockWith(RUN.cutOff).replace('8443', port);
  const child = start(write('events.ts', code), agents.client.api.address, 'pipe');
  const said = { out: '', err: '' };
  child.stdout?.on('data', (part) => (said.out += String(part)));
  child.stderr?.on('data', (part) => (said.err += String(part)));
  await settles(() => said.out === 'first\n', said);
  agents.client.api.x509Svids.set(
    new CodedError('permission-denied', 'no identity issued: Suspended'),
  );
  await settles(() => said.out === 'first\ncut off; open connections: 0\n', said);
  await settles(
    () => /^permission-denied connection with \S+ ended: .*Suspended/m.test(said.err),
    said,
  );
  child.kill();
  server.close();
});

async function settles(holds: () => boolean, said: object): Promise<void> {
  for (let tries = 0; tries < 600 && !holds(); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.ok(holds(), JSON.stringify(said));
}

function environment(socket: string): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], SPIFFE_ENDPOINT_SOCKET: socket };
}

function start(path: string, socket: string, out: 'inherit' | 'pipe' = 'inherit'): ChildProcess {
  const child = spawn(process.execPath, ['--conditions=source', path], {
    env: environment(socket),
    stdio: ['ignore', out, out],
  });
  children.push(child);
  return child;
}

async function runToEnd(path: string, socket: string): Promise<{ readonly stdout: string }> {
  const args = ['--conditions=source', path];
  return await execute(process.execPath, args, { env: environment(socket), timeout: LIMIT_MS });
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 600 && child.exitCode === null; tries += 1) {
    const isThere = await new Promise<boolean>((resolve) => {
      const socket = connect(port, 'localhost', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isThere) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail('the server did not start');
}
