// `signet node` as a process: an issuer on a TCP port, a kubelet that registers and publishes, probes.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, lstatSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { buildProgram } from '../../../scripts/build.ts';
import { FileAuditLog } from '../../../src/audit/file-audit-log.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { FileAuthorityStore } from '../../../src/issuer/authority/file-authority-store.ts';
import { createIssuer, type Issuer } from '../../../src/issuer/issuer.ts';
import { IssuerListener } from '../../../src/issuer/issuer-listener.ts';
import { ProcessTokenAuthenticator } from '../../../src/issuer/process-token-authenticator.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { parseTrustDomain, type TrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { Registration } from '../../../src/transport/gen/kubelet/plugin_registration_pb.ts';
import { SpiffeWorkloadAPI } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { createGrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { GrpcServer } from '../../../src/transport/grpc/grpc-server.ts';
import { FakeKubelet } from '../../fakes/fake-kubelet.ts';
import { entry, MapPodSource, NODE, pod, TRUST_DOMAIN } from '../../unit/issuer/fixtures.ts';
import { NodeProcess } from './node-process.ts';

const HEADER = { 'workload.spiffe.io': 'true' };
const UID = randomUUID();
/** As the fake kubelet names it. */
const POD = pod({ uid: UID, namespace: 'shop', name: 'web-1', serviceAccount: 'default' });

let directory: string;
let kubelet: FakeKubelet;
let authenticator: ProcessTokenAuthenticator;
let stop: AbortController;
let stopping: (() => Promise<unknown>)[];
let plugins: NodeProcess[];
let main: { issuer: Issuer; port: number };

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'signet-node-'));
  kubelet = new FakeKubelet();
  authenticator = new ProcessTokenAuthenticator(NODE, systemClock);
  stop = new AbortController();
  stopping = [];
  plugins = [];
  main = await startIssuer('main', TRUST_DOMAIN);
  writeFileSync(file('ca.pem'), servingCa(main.issuer));
  writeFileSync(file('token'), `${authenticator.token}\n`, { mode: 0o600 });
});

afterEach(async () => {
  for (const plugin of plugins) await plugin.end('SIGKILL');
  stop.abort();
  await Promise.all(stopping.map(async (end) => await end()));
  kubelet.close();
  rmSync(directory, { recursive: true });
});

const file = (name: string) => join(directory, name);
const registrationSocket = () => join(kubelet.root, 'plugins_registry/csi.spiffe.io-reg.sock');
const servingCa = (issuer: Issuer) => issuer.tls().servingCa.map(formatPemCertificate).join('');

async function startIssuer(name: string, trustDomain: TrustDomain) {
  const audit = new FileAuditLog(file(`${name}-audit.log`), systemClock);
  const issuer = createIssuer({
    trustDomain,
    store: new FileAuthorityStore(file(`${name}-authorities`)),
    pods: new MapPodSource(POD),
    authenticator,
    audit,
    clock: systemClock,
    log: silentLogger,
  });
  const keeping = issuer.run(stop.signal);
  await issuer.authorities.first(() => true, stop.signal);
  const server = new GrpcServer({ services: [issuer.service] });
  const listener = new IssuerListener({
    address: { port: 0, host: '127.0.0.1' },
    authorities: issuer.authorities,
    accept: (connection) => server.accept(connection),
    log: silentLogger,
  });
  await listener.start();
  const port = listener.port ?? assert.fail('no port');
  const running = Promise.all([keeping, listener.run(stop.signal)]);
  stopping.push(async () => {
    await server.close();
    await running;
    audit.close();
  });
  return { issuer, port };
}

function flags(change: Readonly<Record<string, string>> = {}): readonly string[] {
  const all = {
    '--node-name': NODE,
    '--kubelet-root': kubelet.root,
    '--trust-domain': TRUST_DOMAIN,
    '--issuer-address': `127.0.0.1:${main.port}`,
    '--issuer-ca-file': file('ca.pem'),
    '--token-file': file('token'),
    '--health-address': '127.0.0.1:0',
    '--publish-wait': '15s',
    ...change,
  };
  return Object.entries(all).flatMap(([name, value]) => (value === '' ? [name] : [name, value]));
}

function start(...args: ConstructorParameters<typeof NodeProcess>): NodeProcess {
  const plugin = new NodeProcess(...args);
  plugins.push(plugin);
  return plugin;
}

/** Asks the health endpoint: status and text. */
async function health(plugin: NodeProcess, path: string): Promise<readonly [number, string]> {
  const { settings } = await plugin.logged('Starting the node plugin');
  const { port } = (settings as { health: { port: number } }).health;
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return [response.status, (await response.text()).trim()];
}

async function untilHealthy(plugin: NodeProcess): Promise<void> {
  for (let attempt = 0; attempt < 2000; attempt += 1) {
    if ((await health(plugin, '/healthz'))[0] === 200) return;
  }
  throw new Error('never healthy');
}

async function register(): Promise<void> {
  const client = createGrpcClient(Registration, { target: `unix:${registrationSocket()}` });
  assert.equal((await client.getInfo({})).endpoint, kubelet.csiSocket);
  await client.notifyRegistrationStatus({ pluginRegistered: true });
  client.close();
}

/** The first answer on a new volume of the pod. */
async function fetchFirst(volume: string): Promise<string | undefined> {
  const request = kubelet.request({ uid: UID, volume });
  await kubelet.node.nodePublishVolume(request);
  const link = file(volume);
  symlinkSync(request.targetPath, link);
  const client = createGrpcClient(SpiffeWorkloadAPI, {
    target: `unix:${join(link, 'spire-agent.sock')}`,
  });
  try {
    for await (const { svids } of client.fetchX509SVID({}, { metadata: HEADER })) {
      return svids[0]?.spiffeId;
    }
    return undefined;
  } finally {
    client.close();
  }
}

test('RG-04, RG-08: registers, is healthy, serves an SVID, and leaves in order on SIGTERM', async () => {
  const plugin = start(flags());
  await untilHealthy(plugin);
  assert.deepEqual(await health(plugin, '/readyz'), [503, 'registration: waiting']);
  await register();
  assert.deepEqual(await health(plugin, '/readyz'), [200, 'registration: registered']);
  assert.equal((await health(plugin, '/metrics'))[0], 404);
  assert.equal(await fetchFirst('a'), entry().spiffeId);
  assert.equal(await plugin.end('SIGTERM'), 0);
  assert.equal(existsSync(registrationSocket()), false);
  assert.equal(existsSync(kubelet.csiSocket), false);
  const target = kubelet.targetOf(UID, 'a');
  assert.ok(lstatSync(join(target, 'spire-agent.sock')).isSocket(), 'the pod’s socket stays');
  const text = plugin.lines.join('\n');
  assert.equal(text.includes(authenticator.token), false, 'the token is not logged');
});

test('the program as it ships does the same, by the name of an issuer', async () => {
  await buildProgram(file('dist'));
  const address = flags({ '--issuer-address': `localhost:${main.port}` });
  const plugin = start(address, { program: [file('dist/signet.mjs')] });
  await untilHealthy(plugin);
  await register();
  assert.equal(await fetchFirst('a'), entry().spiffeId);
  assert.equal(await plugin.end('SIGTERM'), 0);
  assert.ok(
    plugin.lines.every((line) => line.startsWith('{')),
    plugin.lines.join('\n'),
  );
});

test('all settings are one line at the start', async () => {
  const plugin = start(flags({ '--no-registration': '' }));
  const { settings } = await plugin.logged('Starting the node plugin');
  const { health: _port, version: _version, ...rest } = settings as Record<string, unknown>;
  assert.deepEqual(rest, {
    nodeName: NODE,
    driverName: 'csi.spiffe.io',
    kubeletRoot: kubelet.root,
    trustDomain: TRUST_DOMAIN,
    issuer: `dns:///127.0.0.1:${main.port}`,
    issuerCaFile: file('ca.pem'),
    tokenFile: file('token'),
    publishWaitMs: 15_000,
    allowKeysOnDisk: false,
    keyType: 'ec-p256',
    registers: false,
    logLevel: 'info',
  });
});

test('RG-09: without registration there is a CSI socket and no registration socket', async () => {
  const plugin = start(flags({ '--no-registration': '' }));
  await untilHealthy(plugin);
  assert.equal(existsSync(registrationSocket()), false);
  assert.deepEqual(await health(plugin, '/readyz'), [200, 'registration: off']);
  assert.equal(await plugin.end('SIGTERM'), 0);
});

test('RG-08: alive without an issuer; authorities of somebody else keep it Unavailable and it says why', async () => {
  const other = await startIssuer('other', TRUST_DOMAIN);
  writeFileSync(file('ca.pem'), servingCa(other.issuer));
  const plugin = start(flags({ '--publish-wait': '10ms' }));
  const { err } = await plugin.logged('Failed to watch the issuer');
  assert.match(JSON.stringify(err), /self-signed certificate|unable to (?:get|verify)/);
  assert.equal((await health(plugin, '/healthz'))[0], 200);
  await assert.rejects(fetchFirst('a'), { code: 'unavailable' });
  // The right ones arrive, as a ConfigMap's do: no restart is needed.
  writeFileSync(file('ca.pem'), servingCa(main.issuer));
  await plugin.logged('Received the whole view of this node');
  assert.equal(await fetchFirst('b'), entry().spiffeId);
  assert.equal(await plugin.end('SIGTERM'), 0);
});

test('an issuer of another trust domain is not believed, though its authority is trusted', async () => {
  const other = await startIssuer('other', parseTrustDomain('other.example'));
  writeFileSync(file('ca.pem'), servingCa(other.issuer));
  const plugin = start(flags({ '--issuer-address': `dns:///127.0.0.1:${other.port}` }));
  const { err } = await plugin.logged('Failed to watch the issuer');
  assert.match(JSON.stringify(err), /has not the ID of an issuer/);
});

test('a token that was replaced is used, and unusable authorities change nothing', async () => {
  writeFileSync(file('token'), 'not-the-token');
  const plugin = start(flags());
  await plugin.logged('Failed to watch the issuer', ({ err }) =>
    JSON.stringify(err).includes('not the one of this process'),
  );
  writeFileSync(file('ca.pem'), 'nothing');
  writeFileSync(file('token'), authenticator.token);
  await plugin.logged('Ignored issuer authorities that do not parse');
  await plugin.logged('Received the whole view of this node');
});

test('it starts and answers the kubelet while authorities and token are not delivered yet', async () => {
  writeFileSync(file('ca.pem'), '');
  rmSync(file('token'));
  const plugin = start(flags({ '--publish-wait': '10ms', '--health-address': '0.0.0.0:0' }));
  await untilHealthy(plugin);
  await register();
  await assert.rejects(fetchFirst('a'), { code: 'unavailable' });
  writeFileSync(file('ca.pem'), servingCa(main.issuer));
  writeFileSync(file('token'), authenticator.token);
  await plugin.logged('Received the whole view of this node');
  assert.equal(await fetchFirst('b'), entry().spiffeId);
  const waits = plugin.lines.filter((line) => line.includes('Waiting for files'));
  assert.equal(waits.length, 1);
});

const BAD: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
  ['no node name', { '--node-name': ' ' }, /--node-name: " " is not/],
  ['a relative kubelet root', { '--kubelet-root': 'kubelet' }, /--kubelet-root: /],
  ['an issuer without port', { '--issuer-address': 'issuer' }, /--issuer-address: "issuer" is not/],
  ['a proxy’s scheme', { '--issuer-address': 'https://a:1' }, /--issuer-address: /],
  ['no trust domain', { '--trust-domain': 'A B' }, /trust domain/],
  ['an address of nobody', { '--health-address': '192.0.2.1:1' }, /health: cannot listen/],
  ['no wait', { '--publish-wait': '0' }, /--publish-wait: must be more/],
];
for (const [name, change, expected] of BAD) {
  test(`${name}: ends with 2 and one line`, async () => {
    const plugin = start(flags(change));
    assert.equal(await plugin.end(), 2);
    assert.equal(plugin.lines.length, 1, plugin.lines.join('\n'));
    assert.match(plugin.lines[0] ?? '', /^signet node: /);
    assert.match(plugin.lines[0] ?? '', expected);
  });
}

test('it does not start with a variable or an option that changes trust or lets others look', async () => {
  const plugin = start(flags(), {
    variables: { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    nodeOptions: ['--tls-keylog=/dev/null'],
  });
  assert.equal(await plugin.end(), 2);
  const refusals = plugin.lines.filter((line) => line.startsWith('signet node: will not start: '));
  assert.equal(refusals.length, 2, plugin.lines.join('\n'));
});
