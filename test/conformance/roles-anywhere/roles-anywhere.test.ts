// AWS's own signing helper and our provider, before one verifier that knows neither: it makes each
// signature again from what arrived. What passes for the one passes for the other, with the same claims.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, suite, test } from 'node:test';
import { promisify } from 'node:util';
import { awsRolesAnywhere } from '../../../client/src/index.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { RolesAnywhere } from '../../fakes/roles-anywhere.ts';
import { TestCa, type TestSvid } from '../../fakes/test-ca.ts';
import { built, run, versionOf } from '../clients/toolchain.ts';

const PROGRAM = 'github.com/aws/rolesanywhere-credential-helper';
const ARNS = {
  roleArn: 'arn:aws:iam::123456789012:role/agent',
  profileArn: 'arn:aws:rolesanywhere:eu-central-1:123456789012:profile/0001',
  trustAnchorArn: 'arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/0002',
};
const LIMIT_MS = 60_000;
const go = versionOf('go', 'version');
const skip = go === undefined && process.env['CI'] !== 'true' ? 'needs go' : false;

const directory = mkdtempSync(join(tmpdir(), 'signet-roles-'));
const root = new TestCa('example.org');
const intermediate = new TestCa('example.org', { issuer: root });
const svid = intermediate.svid('/agent');
let aws: RolesAnywhere;
beforeEach(async () => {
  aws = new RolesAnywhere(root.certificate);
  await aws.start();
});
afterEach(() => aws.close());
after(() => rmSync(directory, { recursive: true, force: true }));

const serialOf = ({ chain: [leaf = new Uint8Array()] }: TestSvid) =>
  new X509Certificate(leaf).serialNumber;
const provider = (more: object = {}) =>
  awsRolesAnywhere({ source: { svid }, ...ARNS, url: aws.url, ...more });

test('a session for the SVID: signed by its key, with its chain', async () => {
  const get = provider({ sessionName: 'agent' });
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = await get();
  assert.deepEqual(
    [accessKeyId, secretAccessKey, sessionToken],
    ['ASIA1', 'secret/key', 'token=='],
  );
  assert.ok(expiration.getTime() > Date.now() + 800_000);
  const [session] = aws.sessions;
  assert.equal(session?.serialNumber, serialOf(svid));
  assert.equal(session.uri, 'URI:spiffe://example.org/agent');
  assert.equal(session.chainLength, 1);
  assert.deepEqual(session.parameters, {
    ...ARNS,
    durationSeconds: 900,
    roleSessionName: 'agent',
  });
  await get();
  assert.equal(aws.sessions.length, 1, 'kept until shortly before it expires');
});

suite("AWS's own helper", { skip, timeout: 600_000 }, () => {
  test('the same request, for the same certificate and key', async () => {
    const folder = await built({
      name: 'aws-signing-helper',
      files: ['go.mod', 'go.sum'].map((name) => join(import.meta.dirname, name)),
      version: go,
      build: (into) => {
        run('go', ['build', '-p', '2', '-o', join(into, 'helper'), PROGRAM], import.meta.dirname);
      },
    });
    const [leaf = new Uint8Array(), ...above] = svid.chain;
    const file = (name: string, text: string) => {
      const path = join(directory, name);
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    };
    const options = {
      certificate: file('leaf.pem', formatPemCertificate(leaf)),
      intermediates: file('above.pem', above.map(formatPemCertificate).join('')),
      'private-key': file(
        'key.pem',
        String(svid.privateKey.export({ type: 'pkcs8', format: 'pem' })),
      ),
      'role-arn': ARNS.roleArn,
      'profile-arn': ARNS.profileArn,
      'trust-anchor-arn': ARNS.trustAnchorArn,
      'session-duration': '900',
      region: 'eu-central-1',
      endpoint: aws.url,
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    const program = join(folder, 'helper');
    const { stdout } = await promisify(execFile)(program, ['credential-process', ...args], {
      timeout: LIMIT_MS,
      env: { PATH: process.env['PATH'], HOME: directory },
    });
    assert.deepEqual(aws.refusals, []);
    assert.equal((JSON.parse(stdout) as { AccessKeyId: string }).AccessKeyId, 'ASIA1');
    await provider()();
    const [theirs, ours] = aws.sessions;
    assert.match(theirs?.userAgent ?? '', /^CredHelper\//);
    const { userAgent: _, ...same } = theirs ?? assert.fail();
    const { userAgent: __, ...own } = ours ?? assert.fail();
    assert.deepEqual(own, same);
  });
});

test('a signature by another key, and a certificate of another authority, are refused in its words', async () => {
  const other = { ...svid, privateKey: intermediate.svid('/other').privateKey };
  await assert.rejects(provider({ source: { svid: other } })(), {
    code: 'permission-denied',
    message: /status 403: The request signature we calculated does not match/,
  });
  const foreign = new TestCa('example.org').svid('/agent');
  await assert.rejects(provider({ source: { svid: foreign } })(), /Untrusted certificate/);
  assert.equal(aws.sessions.length, 0);
});

test('each session is for the certificate of its moment, and none for a withdrawn identity', async () => {
  let current = svid;
  let withdrawn = false;
  const source = {
    get svid() {
      if (withdrawn) throw new CodedError('permission-denied', 'no identity issued');
      return current;
    },
  };
  // Over at once, so that each call needs a new one.
  aws.lifeMs = 0;
  const get = provider({ source });
  await get();
  current = intermediate.svid('/agent');
  await get();
  assert.deepEqual(
    aws.sessions.map(({ serialNumber }) => serialNumber),
    [serialOf(svid), serialOf(current)],
  );
  aws.lifeMs = 900_000;
  await get();
  withdrawn = true;
  await assert.rejects(get(), { code: 'permission-denied' });
  assert.equal(aws.sessions.length, 3);
});

test('an RSA key signs in its own way, and a key that AWS does not take does not sign', async () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  await assert.rejects(provider({ source: { svid: { ...svid, privateKey } } })(), {
    code: 'invalid-argument',
    message: /RSA and elliptic curve/,
  });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  // The certificate is for another key, so it is the verifier that says no, and to which algorithm.
  await assert.rejects(provider({ source: { svid: { ...svid, privateKey: rsa } } })(), /signature/);
});

test('options and answers that make no sense are named', async () => {
  const broken = { ...ARNS, source: { svid } };
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ roleArn: '' }, /roleArn: must not be empty/],
    [{ trustAnchorArn: 'arn:aws:iam::1:role/x' }, /trustAnchorArn: not the ARN/],
    [{ durationSeconds: 60 }, /durationSeconds: must be 900 to 43200/],
    [{ url: 'http://rolesanywhere.example.org' }, /url: must be https/],
  ];
  for (const [more, message] of cases) {
    assert.throws(() => awsRolesAnywhere({ ...broken, ...more }), { message });
  }
  const answers = ['{}', '{"credentialSet":[]}', '{"credentialSet":[{"credentials":{}}]}', 'no'];
  for (const body of answers) {
    aws.answer = { status: 201, body };
    await assert.rejects(provider()(), { code: 'unavailable' }, body);
  }
});
