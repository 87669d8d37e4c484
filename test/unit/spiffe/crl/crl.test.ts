// Revocation lists: what is signed is read back the same by the strict reader and by OpenSSL, which
// then refuses what is on them; whatever is bent is refused.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import * as fc from 'fast-check';
import { CodedError } from '../../../../src/base/errors.ts';
import { readCertificate } from '../../../../src/spiffe/certificate/certificate.ts';
import { publicKeyBits } from '../../../../src/spiffe/certificate/key-identifier.ts';
import {
  CRL_REASON,
  checkCrlOf,
  isRevoked,
  type RevokedSerial,
  readCrl,
} from '../../../../src/spiffe/crl/crl.ts';
import { type CrlContent, signCrl } from '../../../../src/spiffe/crl/crl-signing.ts';
import { DerReader } from '../../../../src/spiffe/der/der-reader.ts';
import { constructedContextTag, TAG } from '../../../../src/spiffe/der/der-tag.ts';
import {
  type Der,
  element,
  encodeDer,
  objectIdentifier,
  primitive,
  sequence,
} from '../../../../src/spiffe/der/der-writer.ts';
import { formatPemCertificate, formatPemCrl } from '../../../../src/spiffe/pem.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';
import { X509SvidIssuer } from '../../../../src/spiffe/x509-svid/x509-svid-issuer.ts';
import { HOUR, intermediate, root, trustDomain } from '../authority/issuing-authority.ts';
import { NOW } from '../certificate/forged-certificate.ts';

const refused = (rule: RegExp) => (thrown: unknown) =>
  thrown instanceof CodedError && thrown.code === 'invalid-argument' && rule.test(thrown.message);

const serial = (hex: string): Uint8Array => Buffer.from(hex, 'hex');
const revokedAt = (hex: string, reason?: number): RevokedSerial => ({
  serialNumber: serial(hex),
  revokedAt: NOW - 1000,
  reason,
});
const content = (change: Partial<CrlContent> = {}): CrlContent => ({
  number: 7n,
  thisUpdate: NOW,
  nextUpdate: NOW + HOUR,
  revoked: [],
  ...change,
});
const directory = mkdtempSync(join(tmpdir(), 'signet-crl-'));
after(() => rmSync(directory, { recursive: true }));
const file = (name: string, text: string): string => {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
};

suite('a list that is signed', () => {
  test('reads back as asked, and is the authority’s own', () => {
    const revoked = [
      revokedAt('01', CRL_REASON.CERTIFICATE_HOLD),
      revokedAt('7fffffffffffffffffffffffffffffff', CRL_REASON.CESSATION_OF_OPERATION),
      revokedAt('80ff'),
    ];
    const crl = readCrl(signCrl(intermediate, content({ revoked })));
    assert.equal(crl.number, 7n);
    assert.deepEqual([crl.thisUpdate, crl.nextUpdate], [NOW, NOW + HOUR]);
    assert.deepEqual(
      crl.revoked.map((entry) => [Buffer.from(entry.serialNumber).toString('hex'), entry.reason]),
      [
        ['01', 6],
        ['7fffffffffffffffffffffffffffffff', 5],
        ['80ff', undefined],
      ],
    );
    checkCrlOf(crl, readCertificate(intermediate.certificateDer));
    assert.ok(isRevoked(crl, serial('80ff')));
    assert.ok(!isRevoked(crl, serial('02')));
  });
  test('of another authority, or bent by a bit, is not its own', () => {
    const der = signCrl(intermediate, content());
    const certificate = readCertificate(root.certificateDer);
    assert.throws(() => checkCrlOf(readCrl(der), certificate), refused(/another authority/));
    const bent = Uint8Array.from(der);
    bent[bent.length - 1] = (bent.at(-1) ?? 0) ^ 1;
    const own = readCertificate(intermediate.certificateDer);
    assert.throws(() => checkCrlOf(readCrl(bent), own), refused(/signature is not valid/));
  });
  test('needs the authority’s key, an end after its beginning, and serials above zero', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { certificateDer } = intermediate;
    assert.throws(
      () => signCrl({ certificateDer, privateKey }, content()),
      refused(/do not belong/),
    );
    assert.throws(
      () => signCrl(intermediate, content({ nextUpdate: NOW })),
      refused(/nextUpdate is not after/),
    );
    assert.throws(
      () => signCrl(intermediate, content({ revoked: [revokedAt('0000')] })),
      refused(/not positive/),
    );
    const twice = [revokedAt('05'), revokedAt('0005')];
    assert.throws(() => signCrl(intermediate, content({ revoked: twice })), refused(/twice/));
  });
  test('of any serials, dates and reasons is the same after a round', () => {
    const entries = fc.uniqueArray(
      fc.record({
        serialNumber: fc
          .uint8Array({ minLength: 1, maxLength: 20 })
          .filter(([first]) => first !== 0),
        revokedAt: fc.integer({ min: 0, max: 4_000_000_000 }).map((seconds) => seconds * 1000),
        reason: fc.constantFrom(undefined, 0, 1, 5, 6),
      }),
      { maxLength: 40, selector: ({ serialNumber }) => Buffer.from(serialNumber).toString('hex') },
    );
    fc.assert(
      fc.property(entries, fc.bigInt({ min: 0n, max: 1n << 150n }), (revoked, number) => {
        const thisUpdate = Date.UTC(2049, 11, 31, 23, 59, 59);
        const nextUpdate = thisUpdate + 2000;
        const der = signCrl(root, { number, thisUpdate, nextUpdate, revoked });
        const crl = readCrl(der);
        assert.equal(crl.number, number);
        assert.equal(crl.nextUpdate, nextUpdate);
        assert.deepEqual(
          crl.revoked.map(({ serialNumber, ...rest }) => ({
            serialNumber: Uint8Array.from(serialNumber),
            ...rest,
          })),
          revoked.map((entry) => ({ ...entry })),
        );
      }),
      { numRuns: 60 },
    );
  });
});

suite('a list that is read', () => {
  test('cut or changed anywhere is refused or says the same of the whole', () => {
    const der = signCrl(intermediate, content({ revoked: [revokedAt('0a', 6)] }));
    const own = readCertificate(intermediate.certificateDer);
    for (let at = 0; at < der.length; at += 1) {
      const bent = Uint8Array.from(der);
      bent[at] = (bent[at] ?? 0) ^ 0x01;
      assert.throws(() => checkCrlOf(readCrl(bent), own), refused(/./), `octet ${at}`);
      assert.throws(() => readCrl(der.subarray(0, at)), refused(/./), `cut at ${at}`);
    }
    assert.throws(() => readCrl(Buffer.concat([der, Buffer.of(0)])), refused(/trailing/));
  });
  test('with what would make it less than the whole truth is refused', () => {
    const issuingDistributionPoint = extension('551d1c', sequence(), true);
    assert.throws(() => readCrl(bentBy([issuingDistributionPoint])), refused(/critical and not/));
    const delta = extension('551d1b', primitive(TAG.INTEGER, Uint8Array.of(1)), true);
    assert.throws(() => readCrl(bentBy([delta])), refused(/critical and not/));
    assert.throws(() => readCrl(bentBy([])), refused(/empty list of extensions/));
    const number = extension('551d14', primitive(TAG.INTEGER, Uint8Array.of(1)));
    assert.throws(() => readCrl(bentBy([number, number])), refused(/there twice/));
    assert.throws(() => readCrl(bentBy([number])), refused(/authority key identifier/));
  });
});

/** A list whose extensions are these; its signature is none. */
function bentBy(extensions: readonly Der[]): Uint8Array {
  const { tbs, signatureAlgorithm } = readCrl(signCrl(intermediate, content()));
  const fields = new DerReader(tbs, 'tbs').enter(TAG.SEQUENCE, 'tbs');
  const { INTEGER, SEQUENCE, UTC_TIME } = TAG;
  const before = [INTEGER, SEQUENCE, SEQUENCE, UTC_TIME, UTC_TIME].map((tag) =>
    fields.element(tag),
  );
  const tail = element(constructedContextTag(0), sequence(...extensions));
  const bits = primitive(TAG.BIT_STRING, Uint8Array.of(0, 1));
  return encodeDer(sequence(sequence(...before, tail), signatureAlgorithm, bits));
}

function extension(id: string, value: Der, isCritical = false): Der {
  const critical = isCritical ? [primitive(TAG.BOOLEAN, Uint8Array.of(0xff))] : [];
  return sequence(objectIdentifier(id), ...critical, element(TAG.OCTET_STRING, value));
}

suite('by OpenSSL', () => {
  const issuer = new X509SvidIssuer({ trustDomain, ...intermediate });
  const leaf = (path: string) => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return issuer.issue({
      publicKey: publicKeyBits(publicKey.export({ type: 'spki', format: 'der' })),
      spiffeId: parseSpiffeId(`spiffe://example.org${path}`),
      notBefore: NOW - 1000,
      notAfter: NOW + HOUR,
    });
  };
  const good = leaf('/good');
  const bad = leaf('/bad');
  const revoked = [{ serialNumber: bad.serialNumber, revokedAt: NOW, reason: 6 }];
  const ofIntermediate = signCrl(intermediate, content({ revoked }));
  const ofRoot = signCrl(root, content());
  const verify = (
    crls: readonly Uint8Array[],
    { certificateDer }: { certificateDer: Uint8Array },
  ) => {
    const args = [
      '-attime',
      String(NOW / 1000 + 60),
      '-crl_check_all',
      '-x509_strict',
      '-CAfile',
      file('root.pem', formatPemCertificate(root.certificateDer)),
      '-untrusted',
      file('above.pem', formatPemCertificate(intermediate.certificateDer)),
      '-CRLfile',
      file('crls.pem', crls.map(formatPemCrl).join('')),
      file('leaf.pem', formatPemCertificate(certificateDer)),
    ];
    const { status, stdout, stderr } = spawnSync('openssl', ['verify', ...args], {
      encoding: 'utf8',
    });
    return { status, said: stdout + stderr };
  };

  test('shows number, dates, reason and key identifier', () => {
    const path = file('one.crl', formatPemCrl(ofIntermediate));
    const text = execFileSync('openssl', ['crl', '-in', path, '-noout', '-text', '-crlnumber'], {
      encoding: 'utf8',
    });
    assert.match(text, /Version 2 \(0x1\)/);
    assert.match(text, /crlNumber=(0x)?0?7/i);
    assert.match(text, /Certificate Hold/);
    assert.match(text, new RegExp(Buffer.from(bad.serialNumber).toString('hex'), 'i'));
    assert.match(text, /Authority Key Identifier/);
  });
  test('refuses what is on it and nothing else', () => {
    assert.match(verify([ofRoot, ofIntermediate], good).said, /OK/);
    assert.match(verify([ofRoot, ofIntermediate], bad).said, /certificate revoked/);
  });
  test('refuses everything where the set is not complete', () => {
    assert.match(verify([ofIntermediate], good).said, /unable to get certificate CRL/);
    assert.match(verify([ofRoot], good).said, /unable to get certificate CRL/);
  });
  test('refuses a list that is over', () => {
    const over = signCrl(intermediate, content({ thisUpdate: NOW - 9000, nextUpdate: NOW }));
    assert.match(verify([ofRoot, over], good).said, /CRL has expired/);
  });
});
