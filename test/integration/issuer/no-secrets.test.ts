// T-30: a real issuer and a real node plugin with all they log, at debug, through what goes well and
// what goes wrong; nothing of it may hold a key, a token or a certificate.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { FileAuditLog } from '../../../src/audit/file-audit-log.ts';
import { createLogger } from '../../../src/base/log.ts';
import { issuerChannel, listenForNodes } from '../../../src/dev/issuer-channel.ts';
import { FileAuthorityStore } from '../../../src/issuer/authority/file-authority-store.ts';
import { createIssuer, type Issuer } from '../../../src/issuer/issuer.ts';
import { ProcessTokenAuthenticator } from '../../../src/issuer/process-token-authenticator.ts';
import { runNodePlugin } from '../../../src/node/main.ts';
import { Issuer as IssuerRpc } from '../../../src/transport/gen/signet/issuer_pb.ts';
import { SpiffeWorkloadAPI } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { createGrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { FakeKubelet } from '../../fakes/fake-kubelet.ts';
import { MapPodSource, NODE, pod, TRUST_DOMAIN } from '../../unit/issuer/fixtures.ts';
import { until } from '../node/node-harness.ts';

const HOUR = 3_600_000;
const HEADER = { metadata: { 'workload.spiffe.io': 'true' }, timeoutMs: 10_000 };
/** Shaped like the real thing, so that no pattern needs to know it. */
const FOREIGN_TOKEN = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.Y2FuYXJ5LWNhbmFyeS1jYW5hcnk';

/** PEM; JWT; PKCS#8 in base64 of P-256, P-384, RSA and Ed25519; certificates; printed octets of DER. */
const SECRET_SHAPES = [
  /BEGIN /,
  /eyJ/,
  /MIG[0-9A-Za-z]AgEA/,
  /MIIE[0-9A-Za-z]{2,6}IBADAN/,
  /MC4CAQAw/,
  /MII[A-D][0-9A-Za-z+/]{40}/,
  /"data":\[48,/,
  /<Buffer/,
] as const;

let kubelet: FakeKubelet;
let stop: AbortController;
let running: Promise<unknown>[];
let clock: FakeClock;
let lines: string[];
let issuer: Issuer;
let pods: MapPodSource;
let token: string;
/** What must not be found, word by word. */
let secrets: string[];

beforeEach(async () => {
  kubelet = new FakeKubelet();
  stop = new AbortController();
  clock = new FakeClock(Date.now());
  lines = [];
  pods = new MapPodSource();
  const destination = { write: (line: string) => void lines.push(line) };
  const log = createLogger('test', { level: 'debug', destination });
  const authenticator = new ProcessTokenAuthenticator(NODE, clock);
  ({ token } = authenticator);
  secrets = [token];
  issuer = createIssuer({
    trustDomain: TRUST_DOMAIN,
    store: new FileAuthorityStore(join(kubelet.root, 'authorities')),
    pods,
    authenticator,
    audit: new FileAuditLog(join(kubelet.root, 'audit.log'), clock),
    clock,
    log,
  });
  running = [issuer.run(stop.signal)];
  await issuer.authorities.first(() => true, stop.signal);
  const path = join(kubelet.root, 'issuer.sock');
  running.push((await listenForNodes(issuer, path, { log, signal: stop.signal })).ended);
  const ready = Promise.withResolvers<void>();
  const plugin = runNodePlugin(
    {
      nodeName: NODE,
      driverName: 'csi.spiffe.io',
      kubeletRoot: kubelet.root,
      trustDomain: TRUST_DOMAIN,
      issuer: {
        channel: issuerChannel(issuer, path, TRUST_DOMAIN),
        token: async () => token,
      },
      clock,
      log,
      version: '1.2.3',
      onReady: ready.resolve,
    },
    stop.signal,
  );
  running.push(plugin);
  await Promise.race([ready.promise, plugin]);
});

afterEach(async () => {
  stop.abort();
  await Promise.allSettled(running);
  kubelet.close();
});

function assertClean(text: string): void {
  for (const shape of SECRET_SHAPES) {
    assert.ok(!shape.test(text), `${String(shape)} in: ${text.slice(0, 2000)}`);
  }
  for (const secret of secrets) {
    for (const form of [secret, secret.slice(0, 24), secret.slice(-24)]) {
      assert.ok(!text.includes(form), `a secret in: ${text.slice(0, 2000)}`);
    }
  }
}

function startPod(): string {
  const uid = randomUUID();
  const volumes = [{ name: 'spiffe-workload-api', attributes: {} }];
  pods.set(pod({ uid, namespace: 'shop', name: 'web-1', serviceAccount: 'default', volumes }));
  return uid;
}

async function serve(uid: string) {
  const request = kubelet.request({ uid });
  request.volumeContext['csi.storage.k8s.io/serviceAccount.tokens'] = JSON.stringify({
    '': { token: FOREIGN_TOKEN, expirationTimestamp: '2030-01-01T00:00:00Z' },
  });
  await kubelet.node.nodePublishVolume(request).catch(() => {});
  delete request.volumeContext['csi.storage.k8s.io/serviceAccount.tokens'];
  await kubelet.node.nodePublishVolume(request);
  mkdirSync(join(kubelet.root, 's'));
  const link = join(kubelet.root, 's', '1');
  symlinkSync(request.targetPath, link);
  return createGrpcClient(SpiffeWorkloadAPI, { target: `unix:${link}/spire-agent.sock` });
}

test('T-30, CS-16, KU-06: logs and audit lines hold no key, token or certificate', async () => {
  const uid = startPod();
  await until(() => issuer.heldBy(() => true).length > 0);
  const workload = await serve(uid);
  for await (const { svids } of workload.fetchX509SVID({}, HEADER)) {
    const key = Buffer.from(svids[0]?.x509SvidKey ?? assert.fail('no SVID'));
    secrets.push(key.toString('base64'), key.toString('hex'));
    break;
  }
  const { svids } = await workload.fetchJWTSVID({ audience: ['a'] }, HEADER);
  const svid = svids[0]?.svid ?? assert.fail('no JWT-SVID');
  secrets.push(svid, FOREIGN_TOKEN);
  await workload.validateJWTSVID({ svid, audience: 'a' }, HEADER);
  for (const bad of [FOREIGN_TOKEN, `${svid}x`]) {
    await assert.rejects(workload.validateJWTSVID({ svid: bad, audience: 'a' }, HEADER));
  }
  workload.close();
  pods.set({ ...(pods.pod(uid) ?? assert.fail()), entries: [], refusal: 'Suspended' });
  await until(() => issuer.hasAcknowledged(NODE, uid, pods.version));
  assert.ok(lines.length > 3, `${lines.length} lines`);
  assertClean(lines.join(''));
  const audit = readFileSync(join(kubelet.root, 'audit.log'), 'utf8');
  assert.match(audit, /JwtSvidIssued/);
  assertClean(audit);
});

test('T-30: callers and peers that the issuer refuses leave no credential in its log', async () => {
  const path = join(kubelet.root, 'issuer.sock');
  const client = createGrpcClient(IssuerRpc, issuerChannel(issuer, path, TRUST_DOMAIN));
  secrets.push(FOREIGN_TOKEN);
  for (const authorization of [
    FOREIGN_TOKEN,
    `Bearer ${FOREIGN_TOKEN}`,
    `Bearer ${token}${FOREIGN_TOKEN}`,
    `Basic ${token}`,
    `Bearer ${token.repeat(300)}`,
  ]) {
    const call = { metadata: { authorization }, timeoutMs: 10_000 };
    await assert.rejects(client.signX509Svids({ items: [] }, call), (error: unknown) => {
      assertClean(String(error));
      return true;
    });
  }
  client.close();
  const raw = connect({ path });
  raw.end(`GET / HTTP/1.1\r\nauthorization: Bearer ${FOREIGN_TOKEN}\r\n\r\n`);
  raw.on('error', () => {});
  raw.resume();
  await until(() => lines.some((line) => line.includes('A TLS handshake failed')));
  assertClean(lines.join(''));
});

test('T-30: damaged authority documents are reported, and none of their keys', async () => {
  const directory = join(kubelet.root, 'authorities');
  for (const name of ['root-key', 'issuing-keys', 'issuer-serving', 'state']) {
    const file = join(directory, `${name}.json`);
    const good = readFileSync(file, 'utf8');
    for (const [key] of good.matchAll(/"MI[0-9A-Za-z+/=]{40,}"/g)) secrets.push(key.slice(1, -1));
    const mangled = good.replaceAll(/"MI([0-9A-Za-z+/=]{40,})"/g, '"MIA$1"');
    for (const text of [good.slice(0, -5), good.slice(1), mangled, '[]']) {
      writeFileSync(file, text);
      const before = lines.length;
      const failed = () =>
        lines.slice(before).some((line) => line.includes('Failed to keep the authorities'));
      // What can be made anew is; a key is looked at when it is to sign, which may be a day away.
      const isOver = () => failed() || readFileSync(file, 'utf8') !== text;
      await until(isOver, async () => {
        await clock.advance(31_000);
        if (!isOver()) clock.jump(HOUR);
      });
    }
    writeFileSync(file, good);
  }
  assert.ok(secrets.length > 4, 'there were keys to be found');
  assertClean(lines.join(''));
});
