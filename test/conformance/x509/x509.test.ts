// Our certificates in the eyes of Go's crypto/x509, which most SPIFFE peers use: it finds in them
// exactly what was asked for, and verifies the chain.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import * as fc from 'fast-check';
import {
  createIntermediateAuthority,
  createRootAuthority,
  createServingAuthority,
  createServingLeaf,
} from '../../../src/spiffe/authority/x509-authority.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import {
  type IssuedX509Svid,
  X509SvidIssuer,
  type X509SvidRequest,
} from '../../../src/spiffe/x509-svid/x509-svid-issuer.ts';
import {
  ALTERNATIVE_NAME,
  BASIC_CONSTRAINTS,
  CERT_SIGN_AND_CRL_SIGN,
  DIGITAL_SIGNATURE,
  type Facts,
  KEY_ENCIPHERMENT,
  KEY_USAGE,
  SERVER_AND_CLIENT,
} from './go-facts.ts';

const NOW = Date.UTC(2026, 0, 15);
const HOUR = 3_600_000;
const FAR = Date.UTC(2060, 0, 1);
const trustDomain = parseTrustDomain('example.org');
const always = { trustDomain, notBefore: NOW - HOUR, notAfter: FAR };
const hasGo = spawnSync('go', ['version']).status === 0;
const skip = hasGo || process.env['CI'] === 'true' ? false : 'needs go';

suite('Go crypto/x509', { skip }, () => {
  let directory = '';
  const program = () => join(directory, 'read-certificates');

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'signet-x509-'));
    const env = { ...process.env, GOTOOLCHAIN: 'local', GOWORK: 'off' };
    execFileSync('go', ['build', '-o', program(), '.'], { cwd: import.meta.dirname, env });
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  type Chain = { readonly roots: readonly Uint8Array[]; readonly above?: readonly Uint8Array[] };
  function askGo(
    certificates: readonly Uint8Array[],
    { roots, above = [] }: Chain,
    at = NOW,
  ): Facts[] {
    const base64 = (ders: readonly Uint8Array[]) =>
      ders.map((der) => Buffer.from(der).toString('base64'));
    const input = JSON.stringify({
      roots: base64(roots),
      intermediates: base64(above),
      certificates: base64(certificates),
      at: new Date(at),
    });
    const output = execFileSync(program(), { input, maxBuffer: 64 * 1024 * 1024 });
    return JSON.parse(output.toString()) as Facts[];
  }

  async function newIssuer(curve: 'P-256' | 'P-384', organization?: string) {
    const root = await createRootAuthority({ ...always, curve });
    const intermediate = await createIntermediateAuthority({ ...always, curve, signedBy: root });
    const issuer = new X509SvidIssuer({
      trustDomain,
      ...intermediate,
      above: [root.certificateDer],
      ...(organization === undefined ? {} : { organization }),
    });
    const chain = { roots: [root.certificateDer], above: [intermediate.certificateDer] };
    const authorityKeyId = askGo([intermediate.certificateDer], chain)[0]?.subjectKeyId;
    return { issuer, chain, authorityKeyId };
  }

  const spkiOf = (key: KeyObject) => key.export({ type: 'spki', format: 'der' });
  const p256 = spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey);
  const p384 = spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey);
  const rsa = spkiOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey);
  const valid: X509SvidRequest = {
    publicKey: p256.subarray(26),
    spiffeId: parseSpiffeId('spiffe://example.org/ns/a/sa/b'),
    notBefore: NOW,
    notAfter: NOW + HOUR,
  };

  function check(found: Facts | undefined, request: X509SvidRequest, issued: IssuedX509Svid): void {
    assert.ok(found !== undefined);
    assert.equal(found.error, undefined);
    assert.equal(found.verifyError, '');
    assert.deepEqual(found.uris, [request.spiffeId]);
    assert.deepEqual(found.dnsNames ?? [], request.dnsNames ?? []);
    assert.equal(found.otherNames, 0);
    assert.equal(found.commonName, request.commonName ?? '');
    assert.deepEqual([found.notBefore, found.notAfter], [issued.notBefore, issued.notAfter]);
    assert.equal(found.serialNumber, Buffer.from(issued.serialNumber).toString('hex'));
    assert.equal(found.isCA, false);
    assert.deepEqual(found.extKeyUsage, SERVER_AND_CLIENT);
    assert.equal(found.unhandled, 0);
  }

  test('X5-01 X5-09 X5-11 X5-13 X5-14 X5-15 X5-16 Q12 a leaf says what was asked', async () => {
    const { issuer, chain, authorityKeyId } = await newIssuer('P-256', 'Signet');
    const request = { ...valid, dnsNames: ['b.test', '*.a.test'], commonName: 'agent' };
    const issued = issuer.issue(request);
    const [found] = askGo([issued.certificateDer], chain);
    check(found, request, issued);
    assert.equal(found?.keyUsage, DIGITAL_SIGNATURE);
    assert.deepEqual(found?.critical, [BASIC_CONSTRAINTS, KEY_USAGE]);
    assert.deepEqual(found?.organization, ['Signet']);
    assert.equal(found?.signatureAlgorithm, 'ECDSA-SHA256');
    assert.equal(found?.publicKey, p256.toString('hex'));
    assert.equal(found?.authorityKeyId, authorityKeyId);
    assert.equal(found?.chainLength, 3);
  });

  test('X5-04 the names are critical when the subject is empty', async () => {
    const { issuer, chain } = await newIssuer('P-256');
    const issued = issuer.issue(valid);
    const [found] = askGo([issued.certificateDer], chain);
    check(found, valid, issued);
    assert.deepEqual(found?.critical, [BASIC_CONSTRAINTS, KEY_USAGE, ALTERNATIVE_NAME]);
  });

  test('keys on P-384 and RSA keys, below a P-384 authority', async () => {
    const { issuer, chain } = await newIssuer('P-384', 'Signet');
    for (const [publicKey, algorithm, keyUsage] of [
      [p384, 'ECDSA', DIGITAL_SIGNATURE],
      [rsa, 'RSA', DIGITAL_SIGNATURE | KEY_ENCIPHERMENT],
    ] as const) {
      const request = { ...valid, publicKey };
      const issued = issuer.issue(request);
      const [found] = askGo([issued.certificateDer], chain);
      check(found, request, issued);
      assert.equal(found?.publicKeyAlgorithm, algorithm);
      assert.equal(found?.publicKey, publicKey.toString('hex'));
      assert.equal(found?.keyUsage, keyUsage);
      assert.equal(found?.signatureAlgorithm, 'ECDSA-SHA384');
    }
  });

  test('every border of the length encoding, and the turn of 2050', async () => {
    const { issuer, chain } = await newIssuer('P-256', 'Signet');
    const prefix = 'spiffe://example.org/';
    const lengths = [127, 128, 255, 256, 2048].flatMap((border) =>
      Array.from({ length: 24 }, (_, less) => border - less),
    );
    const requests: X509SvidRequest[] = lengths.map((length) => ({
      ...valid,
      spiffeId: parseSpiffeId(prefix + 'a'.repeat(length - prefix.length)),
    }));
    for (const year of [2049, 2050]) {
      requests.push({ ...valid, notAfter: Date.UTC(year, 0, 1) });
      requests.push({ ...valid, notAfter: Date.UTC(year, 11, 31, 23, 59, 59) });
    }
    const issued = requests.map((request) => issuer.issue(request));
    const found = askGo(
      issued.map(({ certificateDer }) => certificateDer),
      chain,
    );
    for (const [index, svid] of issued.entries())
      check(found[index], requests[index] ?? valid, svid);
  });

  test('any names and dates', async () => {
    const { issuer, chain } = await newIssuer('P-256', 'Signet');
    const label = (letters: string) =>
      fc.string({ unit: fc.constantFrom(...letters.split('')), minLength: 1, maxLength: 30 });
    const segment = label('abcXYZ019-_').map((text) => `/${text}`);
    const requests = fc.sample(
      fc.record({
        publicKey: fc.constantFrom<Uint8Array>(p256.subarray(26), p384, rsa),
        spiffeId: fc
          .array(segment, { minLength: 1, maxLength: 8 })
          .map((segments) => parseSpiffeId(`spiffe://example.org${segments.join('')}`)),
        dnsNames: fc.uniqueArray(
          label('abcXYZ019_').map((name) => `${name}.test`),
          { maxLength: 32, selector: (name) => name.toLowerCase() },
        ),
        commonName: fc.string({ maxLength: 64 }),
        notBefore: fc.integer({ min: NOW - HOUR, max: NOW }),
        notAfter: fc.integer({ min: NOW + 1000, max: FAR }),
      }),
      200,
    );
    const issued = requests.map((request) => issuer.issue(request));
    const found = askGo(
      issued.map(({ certificateDer }) => certificateDer),
      chain,
    );
    for (const [index, svid] of issued.entries())
      check(found[index], requests[index] ?? valid, svid);
  });

  test('X5-05 X5-06 X5-09 X5-11 X5-12 X5-23 authorities', async () => {
    const root = await createRootAuthority(always);
    const intermediate = await createIntermediateAuthority({ ...always, signedBy: root });
    const chain = { roots: [root.certificateDer] };
    const [rootFacts, facts] = askGo([root.certificateDer, intermediate.certificateDer], chain);
    for (const found of [rootFacts, facts]) {
      assert.equal(found?.error, undefined);
      assert.equal(found?.verifyError, '');
      assert.equal(found?.isCA, true);
      assert.equal(found?.keyUsage, CERT_SIGN_AND_CRL_SIGN);
      assert.deepEqual(found?.uris, ['spiffe://example.org']);
      assert.equal(found?.authorityKeyId, rootFacts?.subjectKeyId);
      assert.deepEqual([found?.notBefore, found?.notAfter], [NOW - HOUR, FAR]);
    }
    assert.equal(rootFacts?.maxPathLen, -1);
    assert.equal(facts?.maxPathLen, 0);
    assert.deepEqual(facts?.extKeyUsage, SERVER_AND_CLIENT);
  });

  test('the leaf of an endpoint', async () => {
    const serving = await createServingAuthority(always);
    const leaf = await createServingLeaf({
      ...always,
      signedBy: serving,
      spiffeId: parseSpiffeId('spiffe://example.org/signet/issuer'),
      dnsNames: ['issuer.signet.svc'],
    });
    const [found] = askGo([leaf.certificateDer], { roots: [serving.certificateDer] });
    assert.equal(found?.error, undefined);
    assert.equal(found?.verifyError, '');
    assert.deepEqual(found?.uris, ['spiffe://example.org/signet/issuer']);
    assert.deepEqual(found?.dnsNames, ['issuer.signet.svc']);
    assert.equal(found?.isCA, false);
    assert.equal(found?.keyUsage, DIGITAL_SIGNATURE);
  });

  test('X5-17 a leaf is refused after its end, and below a stranger', async () => {
    const { issuer, chain } = await newIssuer('P-256', 'Signet');
    const stranger = await newIssuer('P-256', 'Signet');
    const { certificateDer } = issuer.issue(valid);
    const [late] = askGo([certificateDer], chain, NOW + 2 * HOUR);
    assert.match(late?.verifyError ?? '', /expired/);
    const [other] = askGo([certificateDer], stranger.chain);
    assert.match(other?.verifyError ?? '', /unknown authority/);
  });
});
