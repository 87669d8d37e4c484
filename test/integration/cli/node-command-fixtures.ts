// `signet node` as a process with all that it needs: an issuer on a TCP port, a kubelet, probes.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'node:test';
import { FileAuditLog } from '../../../src/audit/file-audit-log.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { FileAuthorityStore } from '../../../src/issuer/authority/file-authority-store.ts';
import { createIssuer, type Issuer } from '../../../src/issuer/issuer.ts';
import { IssuerListener } from '../../../src/issuer/issuer-listener.ts';
import { ProcessTokenAuthenticator } from '../../../src/issuer/process-token-authenticator.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { type TrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { Registration } from '../../../src/transport/gen/kubelet/plugin_registration_pb.ts';
import { SpiffeWorkloadAPI } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { createGrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { GrpcServer } from '../../../src/transport/grpc/grpc-server.ts';
import { FakeKubelet } from '../../fakes/fake-kubelet.ts';
import { MapPodSource, NODE, pod, TRUST_DOMAIN } from '../../unit/issuer/fixtures.ts';
import { NodeProcess } from './node-process.ts';

export const HEADER = { 'workload.spiffe.io': 'true' };
export const UID = randomUUID();
/** As the fake kubelet names it. */
export const POD = pod({ uid: UID, namespace: 'shop', name: 'web-1', serviceAccount: 'default' });

export let directory: string;
export let kubelet: FakeKubelet;
export let authenticator: ProcessTokenAuthenticator;
export let stop: AbortController;
export let stopping: (() => Promise<unknown>)[];
export let plugins: NodeProcess[];
export let main: { issuer: Issuer; port: number };

/** Before and after each test of the file that calls it. */
export function useNodeCommand(): void {
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
}

export const file = (name: string) => join(directory, name);
export const registrationSocket = () =>
  join(kubelet.root, 'plugins_registry/csi.spiffe.io-reg.sock');
export const servingCa = (issuer: Issuer) =>
  issuer.tls().servingCa.map(formatPemCertificate).join('');

export async function startIssuer(name: string, trustDomain: TrustDomain) {
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

export function flags(change: Readonly<Record<string, string>> = {}): readonly string[] {
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

export function start(...args: ConstructorParameters<typeof NodeProcess>): NodeProcess {
  const plugin = new NodeProcess(...args);
  plugins.push(plugin);
  return plugin;
}

/** Asks the health endpoint: status and text. */
export async function health(
  plugin: NodeProcess,
  path: string,
): Promise<readonly [number, string]> {
  const { settings } = await plugin.logged('Starting the node plugin');
  const { port } = (settings as { health: { port: number } }).health;
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return [response.status, (await response.text()).trim()];
}

export async function untilHealthy(plugin: NodeProcess): Promise<void> {
  for (let attempt = 0; attempt < 2000; attempt += 1) {
    if ((await health(plugin, '/healthz'))[0] === 200) return;
  }
  throw new Error('never healthy');
}

export async function register(): Promise<void> {
  const client = createGrpcClient(Registration, { target: `unix:${registrationSocket()}` });
  assert.equal((await client.getInfo({})).endpoint, kubelet.csiSocket);
  await client.notifyRegistrationStatus({ pluginRegistered: true });
  client.close();
}

/** The first answer on a new volume of the pod. */
export async function fetchFirst(volume: string): Promise<string | undefined> {
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
