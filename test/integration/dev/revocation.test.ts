// A suspended identity's certificate is refused by servers that read revocation lists: the whole way from
// a restriction to a peer of OpenSSL and one of node:tls, over a restart and a lifted suspension.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  type ConnectionOptions,
  connect,
  createServer,
  type SecureContextOptions,
  type TlsOptions,
} from 'node:tls';
import { splitCertificates } from '../../../src/spiffe/certificate/certificate.ts';
import { CRL_REASON, readCrl } from '../../../src/spiffe/crl/crl.ts';
import { formatPemCertificate, formatPemCrl } from '../../../src/spiffe/pem.ts';
import type { X509SVIDResponse } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { Messages } from '../node/node-harness.ts';
import { DevProcess, podManifest, policyManifest } from './dev-process.ts';

const REASON_HOLD = CRL_REASON.CERTIFICATE_HOLD;
let dev: DevProcess;
before(async () => {
  dev = new DevProcess({
    'policy.json': policyManifest('by-team', {
      spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Labels.team }}/{{ .PodMeta.Name }}',
    }),
    'web.json': podManifest('web', { labels: { team: 'red' } }),
    'other.json': podManifest('other', { labels: { team: 'red' } }),
  });
  await dev.start(['--trust-domain', 'example.org']);
});
after(async () => await dev.close());

async function stream(pod: string): Promise<Messages<X509SVIDResponse>> {
  const { socket } = await dev.pod(`shop/${pod}`);
  return new Messages(dev.workload(socket).fetchX509SVID({}, dev.call));
}

/** The first message that has the complete set and satisfies. */
async function until(
  messages: Messages<X509SVIDResponse>,
  accept: (message: X509SVIDResponse) => boolean,
): Promise<X509SVIDResponse> {
  for (let more = 0; more < 20; more += 1) {
    const message = await messages.next();
    if (message.crl.length > 0 && accept(message)) return message;
  }
  return assert.fail('no such message');
}

const entriesOf = ({ crl }: X509SVIDResponse) => crl.flatMap((der) => readCrl(der).revoked);
const pemOf = (der: Uint8Array) => splitCertificates(der).map(formatPemCertificate).join('');

function identityOf({ svids: [svid] }: X509SVIDResponse): SecureContextOptions {
  assert.ok(svid !== undefined);
  const key = Buffer.from(svid.x509SvidKey).toString('base64');
  return {
    cert: pemOf(svid.x509Svid),
    key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`,
    ca: pemOf(svid.bundle),
  };
}

/** `accepted`, or what a client with these lists says to a server with that certificate, and a server to a client. */
async function handshake(verifier: X509SVIDResponse, peer: SecureContextOptions): Promise<string> {
  const own = { ...identityOf(verifier), crl: verifier.crl.map(formatPemCrl) };
  const asServer = await meet({ ...own, requestCert: true, rejectUnauthorized: false }, peer);
  const asClient = await meet(peer, { ...own, rejectUnauthorized: true });
  assert.equal(asServer.seen, asClient.said);
  return asClient.said;
}

async function meet(server: TlsOptions, client: ConnectionOptions) {
  const listener = createServer(server);
  let seen = 'accepted';
  listener.on('secureConnection', (socket) => {
    const { authorizationError: error } = socket;
    if (server.requestCert === true && !socket.authorized) seen = String(error);
    socket.on('error', () => {});
    socket.end('hello');
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const checkServerIdentity = () => undefined;
  const trust = { rejectUnauthorized: false, ...client, checkServerIdentity };
  const socket = connect({ ...trust, host: '127.0.0.1', port });
  const failed = new Promise<string>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
  try {
    return {
      said: await Promise.race([once(socket, 'data').then(() => 'accepted'), failed]),
      seen,
    };
  } finally {
    socket.destroy();
    listener.close();
  }
}

function openssl(message: X509SVIDResponse, { cert }: SecureContextOptions): string {
  const [leaf = '', ...above] = String(cert).split(/(?=-----BEGIN)/);
  const files = {
    'leaf.pem': leaf,
    'above.pem': above.join(''),
    'roots.pem': pemOf(message.svids[0]?.bundle ?? new Uint8Array()),
    'crls.pem': message.crl.map(formatPemCrl).join(''),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dev.root, name), text);
  const args =
    '-crl_check_all -x509_strict -CAfile roots.pem -untrusted above.pem -CRLfile crls.pem';
  const { stdout, stderr } = spawnSync('openssl', ['verify', ...args.split(' '), 'leaf.pem'], {
    cwd: dev.root,
    encoding: 'utf8',
  });
  return stdout + stderr;
}

const suspend = (spec: object) =>
  JSON.stringify({
    apiVersion: 'signet.dev/v1alpha1',
    kind: 'IdentityRestriction',
    metadata: { name: 'stop-web' },
    spec: { match: { spiffeID: 'spiffe://example.org/red/web' }, suspend: true, ...spec },
  });

test('the revoked certificate is refused, a held one until the suspension ends, over a restart', async () => {
  const other = await stream('other');
  const good = await until(other, () => true);
  const web = identityOf(await until(await stream('web'), () => true));
  assert.deepEqual(entriesOf(good), []);
  assert.equal(await handshake(good, web), 'accepted');
  assert.match(openssl(good, web), /OK/);

  const end = new Date(Date.now() + 3_600_000).toISOString();
  dev.write('stop.json', suspend({ until: end }));
  const since = performance.now();
  const held = await until(other, (message) => entriesOf(message).length > 0);
  const tookMs = performance.now() - since;
  assert.ok(tookMs < 10_000, `took ${tookMs} ms`);
  assert.deepEqual(
    entriesOf(held).map(({ reason }) => reason),
    [REASON_HOLD],
  );
  assert.match(await handshake(held, web), /revoked/i);
  assert.match(openssl(held, web), /certificate revoked/);
  assert.equal(await handshake(held, identityOf(held)), 'accepted', 'nobody else is');

  await dev.end();
  await dev.start(['--trust-domain', 'example.org']);
  const again = await stream('other');
  const restarted = await until(again, () => true);
  assert.match(await handshake(restarted, web), /revoked/i);

  dev.remove('stop.json');
  const lifted = await until(again, (message) => entriesOf(message).length === 0);
  assert.equal(await handshake(lifted, web), 'accepted', 'as it was only held');

  const renewed = identityOf(await until(await stream('web'), () => true));
  dev.write('stop.json', suspend({}));
  const revoked = await until(again, (message) => entriesOf(message).length > 0);
  assert.match(await handshake(revoked, renewed), /revoked/i);
  dev.remove('stop.json');
  // Longer than it takes to look again.
  await new Promise<void>((resolve) => {
    setTimeout(resolve, 6000);
  });
  const latest = await until(await stream('other'), () => true);
  assert.match(openssl(latest, renewed), /certificate revoked/, 'for good');
});
