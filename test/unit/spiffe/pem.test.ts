// PEM blocks in and out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { CodedError } from '../../../src/base/errors.ts';
import { formatPemCertificate, parsePemCertificates } from '../../../src/spiffe/pem.ts';

test('any bytes come back, in order, whatever stands between the blocks', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1 }), (contents) => {
      const pem = contents.map((der) => `# a comment\r\n${formatPemCertificate(der)}`).join('\n');
      assert.deepEqual(parsePemCertificates(pem), contents);
    }),
  );
});

test('lines of 64 characters', () => {
  const lines = formatPemCertificate(new Uint8Array(100)).split('\n');
  assert.deepEqual(
    lines.map((line) => line.length),
    [27, 64, 64, 8, 25, 0],
  );
});

test('a text without a certificate is refused', () => {
  for (const text of ['', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n']) {
    assert.throws(() => parsePemCertificates(text), CodedError);
  }
});
