// The cluster tests say that an agent holds no long-lived secret: what they look for is found when it is
// there, and what ends soon is not taken for it.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { inText } from '../../cluster/lib/secret-scan.ts';
import { JwtSigner } from '../../fakes/jwt-signer.ts';
import { TestCa } from '../../fakes/test-ca.ts';

const HOUR_S = 3600;
const signer = new JwtSigner('key-1');
const now = Math.floor(Date.now() / 1000);
const whats = (text: string, certificate?: string) =>
  inText(text, 'here', certificate === undefined ? undefined : () => certificate).map(
    ({ what }) => what,
  );
const letters = (length: number) => 'aB3'.repeat(length).slice(0, length);

for (const [what, text] of [
  ['key of the Claude API', `key: sk-ant-api03-${letters(40)}`],
  ['key of OpenAI', `sk-proj-${letters(48)}`],
  ['key of AWS', `id = AKIA${'A1B2'.repeat(4)}`],
  ['token of Vault', `hvs.${letters(28)}`],
  ['token of Vault', `token: s.${letters(24)}`],
  ['password in a URL', 'DB=postgres://agent:correct-horse@db.example.org/traffic'],
] as const) {
  test(`found: ${what}, ${text.slice(0, 12)}…`, () => assert.deepEqual(whats(text), [what]));
}

test('a token is one when it does not end within an hour', async () => {
  const token = async (exp: number) =>
    await signer.token('spiffe://a.b/c', 'd', { claims: { exp } });
  assert.deepEqual(whats(await token(now + HOUR_S / 2)), []);
  assert.equal(whats(await token(now + 2 * HOUR_S)).length, 1);
  const endless = await signer.token('spiffe://a.b/c', 'd', { without: ['exp'] });
  assert.equal(whats(`x ${endless} y`).length, 1);
});

test('a key is one unless the certificate beside it is its own and ends within an hour', () => {
  const ca = new TestCa('example.org');
  const ending = (ms: number) => ca.svid('/agent', { notAfter: new Date(Date.now() + ms) });
  const pemOf = (svid: ReturnType<typeof ending>) => ({
    key: svid.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: svid.chain.map(formatPemCertificate).join(''),
  });
  const short = pemOf(ending(900_000));
  const long = pemOf(ending(7_200_000));
  assert.deepEqual(whats(short.key, short.certificate), []);
  assert.equal(whats(short.key).length, 1);
  assert.equal(whats(short.key, long.certificate).length, 1);
  assert.equal(whats(long.key, long.certificate).length, 1);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  assert.equal(whats(privateKey.export({ type: 'sec1', format: 'pem' }).toString()).length, 1);
});
