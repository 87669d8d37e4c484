// A volume that asks for files: what is written beside its socket, when it changes, and what takes it
// away. On the test's own disk, which the plugin is told to allow; memory is the next file's business.

import assert from 'node:assert/strict';
import { createPrivateKey, randomUUID, X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { CodedError } from '../../../src/base/errors.ts';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { TestAuthority } from '../../fakes/test-authority.ts';
import { during, NOW, NodeHarness, until } from './node-harness.ts';

let node: NodeHarness;
beforeEach(async () => {
  node = await NodeHarness.start({ allowKeysOnDisk: true });
});
afterEach(async () => await node.stop());

const HOUR = 3_600_000;
const step = async () => await node.clock.advance(20);

type Options = {
  readonly attributes?: Readonly<Record<string, string>>;
  readonly pod?: Parameters<typeof podMessage>[2];
};

/** A pod with files, published; a look at what it sees. */
async function publish({ attributes = {}, pod = {} }: Options = {}) {
  const uid = randomUUID();
  const directory = node.kubelet.emptyDir(uid);
  node.issuer.pushPod(podMessage(uid, ['/a'], pod));
  const request = node.kubelet.request({ uid });
  Object.assign(request.volumeContext, { 'signet.dev/files': 'true', ...attributes });
  await during(node.kubelet.node.nodePublishVolume(request), step);
  const text = (name: string) => readFileSync(join(directory, name), 'utf8');
  const names = () =>
    readdirSync(directory)
      .filter((name) => !name.startsWith('..'))
      .toSorted();
  return { uid, request, directory, text, names };
}

type Claims = { readonly aud: unknown; readonly sub: unknown; readonly exp: number };

function claimsOf(token: string): Claims {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Claims;
}

test('the files are there when the publish is answered, and belong together', async () => {
  const { directory, names, text } = await publish();
  assert.deepEqual(names(), ['ca.crt', 'jwt_bundle.json', 'tls.crt', 'tls.key']);
  const leaf = new X509Certificate(text('tls.crt'));
  assert.equal(leaf.subjectAltName, 'URI:spiffe://example.org/a');
  assert.ok(leaf.checkPrivateKey(createPrivateKey(text('tls.key'))));
  assert.match(text('tls.key'), /^-----BEGIN PRIVATE KEY-----\n/);
  assert.equal(text('tls.crt').match(/BEGIN CERTIFICATE/g)?.length, 2, 'leaf and intermediate');
  const root = new X509Certificate(Buffer.from(node.issuer.authority.root));
  assert.equal(new X509Certificate(text('ca.crt')).fingerprint256, root.fingerprint256);
  const bundles = JSON.parse(text('jwt_bundle.json')) as Record<string, string>;
  assert.deepEqual(Object.keys(bundles), ['example.org']);
  const jwks: unknown = JSON.parse(Buffer.from(bundles['example.org'] ?? '', 'base64').toString());
  assert.equal((jwks as { keys: unknown[] }).keys.length, 1);
  assert.equal(statSync(join(directory, 'tls.key')).mode & 0o777, 0o600);
});

test('the names of spiffe-helper, and a token for each audience', async () => {
  const { names, text } = await publish({
    attributes: { 'signet.dev/file-names': 'spiffe-helper', 'signet.dev/jwt-audience': 'db,x=api' },
  });
  assert.deepEqual(names(), [
    'jwt_bundle.json',
    'jwt_svid.token',
    'svid.pem',
    'svid_bundle.pem',
    'svid_key.pem',
    'x',
  ]);
  assert.deepEqual(claimsOf(text('jwt_svid.token')).aud, ['db']);
  assert.deepEqual(claimsOf(text('x')).aud, ['api']);
  assert.equal(claimsOf(text('x')).sub, 'spiffe://example.org/a');
});

test('a renewal exchanges certificate and key at once; a token is replaced at half its life', async () => {
  const { text } = await publish({ attributes: { 'signet.dev/jwt-audience': 'db' } });
  const [chain, token] = [text('tls.crt'), text('token')];
  await node.clock.advance(node.issuer.jwtLifetimeMs * 0.45);
  assert.equal(text('token'), token);
  await node.clock.advance(node.issuer.jwtLifetimeMs * 0.2);
  await until(() => text('token') !== token, step);
  assert.equal(text('tls.crt'), chain, 'the certificate is not touched by it');
  await node.clock.advance(0.56 * HOUR);
  await until(() => text('tls.crt') !== chain, step);
  assert.ok(
    new X509Certificate(text('tls.crt')).checkPrivateKey(createPrivateKey(text('tls.key'))),
  );
  const now = node.clock.now();
  assert.ok(claimsOf(text('token')).exp * 1000 > now, 'never an expired token');
});

test('bundles that change are written; those of other trust domains never into ca.crt', async () => {
  const { uid, text } = await publish();
  const roots = text('ca.crt');
  const other = await TestAuthority.create('other.org', NOW);
  node.issuer.federated = [other.bundle];
  node.issuer.pushBundles();
  const message = node.issuer.pods.get(uid);
  assert.ok(message !== undefined);
  const entries = message.entries.map((entry) => ({ ...entry, federatesWith: ['other.org'] }));
  node.issuer.pushPod({ ...message, version: 5n, entries });
  await until(() => text('jwt_bundle.json').includes('"other.org"'), step);
  assert.equal(text('ca.crt'), roots);
});

test('a suspension takes every file away, its end brings them back', async () => {
  const { uid, directory, names } = await publish({
    attributes: { 'signet.dev/jwt-audience': 'db' },
  });
  const message = node.issuer.pods.get(uid);
  assert.ok(message !== undefined);
  node.issuer.pushPod({ ...message, version: 5n, entries: [], refusal: 'Suspended' });
  await until(() => names().length === 0, step);
  assert.deepEqual(readdirSync(directory), [], 'the key is gone, not only its name');
  node.issuer.pushPod({ ...message, version: 6n });
  await until(() => names().length === 5, step);
});

test('a suspension does not wait for a token that is being signed', async () => {
  const { uid, directory } = await publish({ attributes: { 'signet.dev/jwt-audience': 'db' } });
  const message = node.issuer.pods.get(uid);
  assert.ok(message !== undefined);
  let asked = 0;
  node.issuer.jwtVerdict = () => {
    asked += 1;
    return new CodedError('unavailable', 'busy');
  };
  await until(
    () => asked > 0,
    async () => await node.clock.advance(5000),
  );
  node.issuer.pushPod({ ...message, version: 5n, entries: [], refusal: 'Suspended' });
  await until(
    () => readdirSync(directory).length === 0,
    async () => await node.clock.advance(1),
  );
});

test('JWT-SVIDs that are denied lose their files and leave the certificates', async () => {
  const { uid, names } = await publish({ attributes: { 'signet.dev/jwt-audience': 'db' } });
  assert.ok(names().includes('token'));
  const message = node.issuer.pods.get(uid);
  assert.ok(message !== undefined);
  const entries = message.entries.map((entry) => ({ ...entry, jwtDenied: true }));
  node.issuer.pushPod({ ...message, version: 5n, entries });
  await until(() => !names().includes('token'), step);
  assert.ok(names().includes('tls.key'));
});

test('an audience that is no longer allowed loses its file, the others keep theirs', async () => {
  const { uid, names } = await publish({ attributes: { 'signet.dev/jwt-audience': 'a=x,b=y' } });
  const message = node.issuer.pods.get(uid);
  assert.ok(message !== undefined);
  node.issuer.jwtVerdict = ({ audience }) =>
    audience.includes('x') ? { reason: 'AudienceNotAllowed', message: 'x' } : undefined;
  node.issuer.pushPod({ ...message, version: 5n });
  await until(() => !names().includes('a'), step);
  assert.deepEqual(names(), ['b', 'ca.crt', 'jwt_bundle.json', 'tls.crt', 'tls.key']);
});

test('a token that may be used once is never put into a file', async () => {
  const { uid, names } = await publish({ attributes: { 'signet.dev/jwt-audience': 'db' } });
  const message = node.issuer.pods.get(uid);
  assert.ok(message !== undefined);
  const entries = message.entries.map((entry) => ({ ...entry, jwtSingleUse: true }));
  node.issuer.pushPod({ ...message, version: 5n, entries });
  await until(() => !names().includes('token'), step);
});

test('an issuer that is away costs no file while what is in hand still serves', async () => {
  const { text, names } = await publish({ attributes: { 'signet.dev/jwt-audience': 'db' } });
  const token = text('token');
  node.issuer.jwtVerdict = () => new CodedError('unavailable', 'away');
  await node.clock.advance(node.issuer.jwtLifetimeMs * 0.9);
  assert.equal(text('token'), token);
  await until(
    () => !names().includes('token'),
    async () => await node.clock.advance(5000),
  );
  assert.ok(names().includes('tls.key'));
  node.issuer.jwtVerdict = () => undefined;
  await until(
    () => names().includes('token'),
    async () => await node.clock.advance(1000),
  );
});

test('an unpublish removes them; a restart leaves them there and writes anew', async () => {
  const { request, directory, text } = await publish();
  const key = text('tls.key');
  await node.stopFirst();
  assert.equal(text('tls.key'), key, 'the pod goes on without the plugin');
  await node.startPlugin({ allowKeysOnDisk: true });
  await until(() => text('tls.key') !== key, step);
  assert.equal(readdirSync(directory).filter((name) => name.startsWith('..signet-')).length, 1);
  const { volumeId, targetPath } = request;
  await node.kubelet.node.nodeUnpublishVolume({ volumeId, targetPath });
  assert.deepEqual(readdirSync(directory), []);
  assert.equal(existsSync(targetPath), false);
});

test('two volumes of a pod cannot have their files in one place', async () => {
  const { uid } = await publish();
  const second = node.kubelet.request({ uid, volume: 'another' });
  Object.assign(second.volumeContext, { 'signet.dev/files': 'true' });
  await assert.rejects(during(node.kubelet.node.nodePublishVolume(second), step), {
    code: 'invalid-argument',
    message: /signet\.dev\/files-volume: volume "spiffe-workload-api" of the pod has its files/,
  });
  assert.equal(existsSync(second.targetPath), false);
  node.kubelet.emptyDir(uid, 'more');
  Object.assign(second.volumeContext, { 'signet.dev/files-volume': 'more' });
  await during(node.kubelet.node.nodePublishVolume(second), step);
});

test('attributes that contradict each other are refused and named', async () => {
  const request = node.kubelet.request();
  Object.assign(request.volumeContext, { 'signet.dev/jwt-audience': 'db' });
  await assert.rejects(node.kubelet.node.nodePublishVolume(request), {
    code: 'invalid-argument',
    message: 'volume_context: signet.dev/jwt-audience: needs signet.dev/files: "true"',
  });
});
