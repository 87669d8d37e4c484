// What a certificate or token says, and whether it obeys the rules for SVIDs. Keys that stand beside
// certificates are never looked at.

import { createPublicKey, X509Certificate } from 'node:crypto';
import { CodedError, invalid } from '../base/errors.ts';
import { checkIsAuthority } from '../spiffe/authority/authority-certificate.ts';
import { readCertificate, splitCertificates } from '../spiffe/certificate/certificate.ts';
import { parseJwsObject, splitCompactJws } from '../spiffe/jwt-svid/compact-jws.ts';
import { jwtAlgorithm } from '../spiffe/jwt-svid/jwt-algorithm.ts';
import { parsePemCertificates } from '../spiffe/pem.ts';
import { parseSpiffeId } from '../spiffe/spiffe-id.ts';
import type { JsonObject, JsonValue } from '../spiffe/strict-json.ts';
import { readX509Svid } from '../spiffe/x509-svid/x509-svid.ts';

export type InspectedCertificate = {
  readonly type: 'X509-SVID' | 'authority';
  readonly spiffeId: string;
  readonly serial: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly isExpired: boolean;
  readonly issuer: string;
  readonly subject: string;
  readonly key: string;
  readonly dnsNames: readonly string[];
  /** The rule that it breaks; '' when it obeys all. */
  readonly problem: string;
};

export type InspectedToken = {
  readonly type: 'JWT-SVID';
  readonly spiffeId: string;
  readonly audience: readonly string[];
  readonly issuer: string;
  readonly issuedAt: string;
  readonly expiresAt: string;
  readonly isExpired: boolean;
  readonly algorithm: string;
  readonly keyId: string;
  /** Names of the other claims. */
  readonly claims: readonly string[];
  readonly problem: string;
};

const MAX_CERTIFICATES = 100;

/** Reads PEM, DER one after the other, or a token. Throws `invalid-argument` for anything else. */
export function inspect(
  bytes: Uint8Array,
  now: number,
): readonly (InspectedCertificate | InspectedToken)[] {
  const text = Buffer.from(bytes).toString('latin1');
  if (text.includes('-----BEGIN ')) return inspectAll(parsePemCertificates(text), now);
  if (/^\s*[\w-]+\.[\w-]+\.[\w-]*\s*$/.test(text)) return [inspectToken(text.trim(), now)];
  if (bytes[0] !== DER_SEQUENCE) throw invalid('neither PEM, DER nor a token');
  return inspectAll(splitCertificates(bytes), now);
}

const DER_SEQUENCE = 0x30;

export function inspectAll(
  chain: readonly Uint8Array[],
  now: number,
): readonly InspectedCertificate[] {
  if (chain.length > MAX_CERTIFICATES) throw invalid(`over ${MAX_CERTIFICATES} certificates`);
  return chain.map((der) => inspectCertificate(der, now));
}

function inspectCertificate(der: Uint8Array, now: number): InspectedCertificate {
  // Node's own reading is for showing alone: it takes what ours refuses.
  let shown: X509Certificate;
  try {
    shown = new X509Certificate(der);
  } catch (thrown) {
    throw invalid('not a certificate', thrown);
  }
  const uris = (shown.subjectAltName ?? '').match(/URI:[^,"\s]+/g) ?? [];
  return {
    type: shown.ca ? 'authority' : 'X509-SVID',
    spiffeId: uris.map((uri) => uri.slice('URI:'.length)).join(' '),
    serial: shown.serialNumber.toLowerCase(),
    notBefore: seconds(shown.validFromDate.getTime()),
    notAfter: seconds(shown.validToDate.getTime()),
    isExpired: now > shown.validToDate.getTime(),
    issuer: oneLine(shown.issuer),
    subject: oneLine(shown.subject),
    key: keyText(shown),
    dnsNames:
      (shown.subjectAltName ?? '').match(/DNS:[^,"\s]+/g)?.map((name) => name.slice(4)) ?? [],
    problem: problemOf(() => {
      if (shown.ca) checkIsAuthority(readCertificate(der));
      else readX509Svid(der);
    }),
  };
}

function inspectToken(token: string, now: number): InspectedToken {
  const parts = splitCompactJws(token);
  const header = parseJwsObject(parts.header, 'token header');
  const claims = parseJwsObject(parts.claims, 'token claims');
  const expiry = claims.get('exp');
  const expiresAt = typeof expiry === 'number' ? expiry * 1000 : undefined;
  return {
    type: 'JWT-SVID',
    spiffeId: textOf(claims.get('sub')),
    audience: audienceOf(claims),
    issuer: textOf(claims.get('iss')),
    issuedAt: dateOf(claims.get('iat')),
    expiresAt: dateOf(expiry),
    isExpired: expiresAt !== undefined && now >= expiresAt,
    algorithm: textOf(header.get('alg')),
    keyId: textOf(header.get('kid')),
    claims: [...claims.keys()].filter((name) => !REGISTERED.has(name)),
    problem: problemOf(() => checkToken(header, claims)),
  };
}

const REGISTERED: ReadonlySet<string> = new Set(['sub', 'aud', 'iss', 'iat', 'exp', 'nbf']);

// JWT-SVID §2 and §3; who signed it is not asked.
function checkToken(header: JsonObject, claims: JsonObject): void {
  if (jwtAlgorithm(header.get('alg')) === undefined) throw invalid('alg: not one of JWT-SVID');
  const type = header.get('typ');
  if (type !== undefined && type !== 'JWT' && type !== 'JOSE') throw invalid('typ: another type');
  if (textOf(header.get('kid')) === '') throw invalid('kid: missing');
  parseSpiffeId(textOf(claims.get('sub')));
  if (audienceOf(claims).length === 0) throw invalid('aud: missing');
  if (typeof claims.get('exp') !== 'number') throw invalid('exp: missing');
}

function audienceOf(claims: JsonObject): readonly string[] {
  const claim = claims.get('aud');
  const values: readonly JsonValue[] = Array.isArray(claim) ? claim : [claim ?? null];
  return values.filter((value) => typeof value === 'string');
}

function problemOf(check: () => void): string {
  try {
    check();
    return '';
  } catch (thrown) {
    return CodedError.from(thrown).message;
  }
}

function keyText(certificate: X509Certificate): string {
  try {
    const key = createPublicKey(certificate.publicKey.export({ type: 'spki', format: 'pem' }));
    const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
    return [key.asymmetricKeyType, namedCurve ?? modulusLength].filter(Boolean).join(' ');
  } catch {
    return 'unknown';
  }
}

// Node.js gives nothing for an empty name, whatever its types say.
function oneLine(name: string | undefined): string {
  return name?.replaceAll('\n', ', ') ?? '';
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

function dateOf(value: JsonValue | undefined): string {
  const isDate = typeof value === 'number' && value >= 0 && value < MAX_DATE;
  return isDate ? seconds(value * 1000) : '';
}

const MAX_DATE = 253_402_300_800;

export function seconds(ms: number): string {
  return Number.isNaN(ms) ? '' : `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
