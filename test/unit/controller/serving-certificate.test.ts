import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { CodedError } from '../../../src/base/errors.ts';
import { readServingDocument } from '../../../src/controller/serving-certificate.ts';
import { TestCa } from '../../fakes/test-ca.ts';

const ca = new TestCa('example.org');
const one = ca.svid('/signet/controller');
const other = ca.svid('/signet/controller');

function document(members: Record<string, unknown> = {}): string {
  return JSON.stringify({
    format: 1,
    certificate: Buffer.from(one.chain[0] ?? []).toString('base64'),
    key: one.privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
    authority: 'serving-1',
    notBefore: 1,
    notAfter: 2,
    later: 'a member of a newer version',
    ...members,
  });
}

test('a certificate and its key', () => {
  const { certificate, notAfterMs } = readServingDocument(document());
  const leaf = new X509Certificate(certificate.cert);
  assert.deepEqual(new Uint8Array(leaf.raw), new Uint8Array(one.chain[0] ?? []));
  assert.match(certificate.key, /^-----BEGIN PRIVATE KEY-----/);
  assert.equal(notAfterMs, leaf.validToDate.getTime(), 'the certificate counts, not what is said');
});

const otherKey = other.privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64');
for (const [what, text] of [
  ['another format', document({ format: 2 })],
  ['the key of another certificate', document({ key: otherKey })],
  ['no key', document({ key: undefined })],
  ['no certificate', document({ certificate: 'AAAA' })],
  ['no JSON', `${otherKey}{`],
  ['a member twice', document().replace('{', '{"format":1,')],
] as const) {
  test(`${what}: refused, without a word of what it says`, () => {
    assert.throws(
      () => readServingDocument(text),
      (thrown: unknown) => {
        assert.ok(thrown instanceof CodedError);
        assert.equal(thrown.code, 'failed-precondition');
        assert.equal(thrown.message, 'Secret signet-controller-serving: cannot be read');
        assert.equal(thrown.cause, undefined);
        return true;
      },
    );
  });
}
