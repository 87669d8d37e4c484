// A SPIFFE bundle document from outside. Entries that cannot be used are left out and named, the
// others kept (Trust Domain and Bundle §4.1.3); a document that is not one is refused whole.

import type { KeyObject } from 'node:crypto';
import { CodedError, invalid } from '../../base/errors.ts';
import {
  authorityPublicKey,
  checkIsAuthority,
  checkNamesNoOther,
} from '../authority/authority-certificate.ts';
import { readCertificate } from '../certificate/certificate.ts';
import { importJwk } from '../jwt-svid/jwk.ts';
import type { TrustDomain } from '../spiffe-id.ts';
import { type JsonObject, type JsonValue, parseStrictJsonObject } from '../strict-json.ts';
import type { Bundle } from './bundle.ts';

export const MAX_BUNDLE_BYTES = 1_048_576;

export type ParsedBundle = {
  readonly bundle: Bundle;
  /** Why entries were left out, such as `keys[2]: use "wit-svid" is not known`. */
  readonly ignored: readonly string[];
};

/** `document` is UTF-8 JSON. Throws `invalid-argument` naming the member and the rule. */
export function parseSpiffeBundle(document: Uint8Array, trustDomain: TrustDomain): ParsedBundle {
  const limits = { field: 'bundle', maxBytes: MAX_BUNDLE_BYTES };
  const members = parseStrictJsonObject(document, limits);
  const keys = members.get('keys');
  if (!Array.isArray(keys)) throw invalid('bundle: keys is not a list');
  const x509Authorities: Uint8Array[] = [];
  const jwtAuthorities = new Map<string, KeyObject>();
  const ignored: string[] = [];
  for (const [index, key] of keys.entries()) {
    const entry = readUsable(key, trustDomain);
    switch (entry.use) {
      case 'x509-svid':
        x509Authorities.push(entry.certificateDer);
        break;
      case 'jwt-svid':
        if (jwtAuthorities.has(entry.kid)) throw invalid(`bundle: keys[${index}]: kid repeats`);
        jwtAuthorities.set(entry.kid, entry.key);
        break;
      case 'none':
        ignored.push(`keys[${index}]: ${entry.why}`);
    }
  }
  const sequence = readWhole(members, 'spiffe_sequence');
  const refreshHintSeconds = readWhole(members, 'spiffe_refresh_hint');
  const bundle = { trustDomain, sequence, refreshHintSeconds, x509Authorities, jwtAuthorities };
  return { bundle, ignored };
}

type Entry =
  | { readonly use: 'x509-svid'; readonly certificateDer: Uint8Array }
  | { readonly use: 'jwt-svid'; readonly kid: string; readonly key: KeyObject }
  | { readonly use: 'none'; readonly why: string };

function readUsable(jwk: JsonValue, trustDomain: TrustDomain): Entry {
  try {
    return readEntry(jwk, trustDomain);
  } catch (thrown) {
    return { use: 'none', why: CodedError.from(thrown).message };
  }
}

function readEntry(jwk: JsonValue, trustDomain: TrustDomain): Entry {
  if (!(jwk instanceof Map)) throw invalid('not a JSON object');
  const use: JsonValue = jwk.get('use') ?? null;
  if (use === 'x509-svid') return { use, certificateDer: readX5c(jwk, trustDomain) };
  if (use === 'jwt-svid') return { use, kid: readKid(jwk), key: importJwk(jwk) };
  // Ours to show in a message, so not at any length.
  const shown = typeof use === 'string' ? JSON.stringify(use.slice(0, 32)) : 'of this type';
  throw invalid(`use ${shown} is not known`);
}

// X509-SVID §6.2: the first certificate counts, whatever follows it or stands in other members.
function readX5c(jwk: JsonObject, trustDomain: TrustDomain): Uint8Array {
  const chain = jwk.get('x5c');
  const first: JsonValue = Array.isArray(chain) ? chain[0] : null;
  if (typeof first !== 'string') throw invalid('x5c holds no certificate');
  const decoded = Buffer.from(first, 'base64');
  if (decoded.toString('base64') !== first) throw invalid('x5c is not base64');
  // Kept for long, so not as a slice of a shared pool.
  const der = new Uint8Array(decoded);
  const certificate = readCertificate(der);
  checkIsAuthority(certificate);
  // A key that cannot verify anything here would make other readers drop the whole answer.
  authorityPublicKey(certificate);
  checkNamesNoOther(certificate, trustDomain);
  return der;
}

function readKid(jwk: JsonObject): string {
  const kid = jwk.get('kid');
  if (typeof kid !== 'string' || kid === '') throw invalid('kid is missing');
  return kid;
}

// §4.1.1 and §4.1.2: whole numbers; larger ones than a double holds exactly are no use to anybody.
function readWhole(members: JsonObject, name: string): number | undefined {
  const value = members.get(name);
  if (value === undefined) return undefined;
  const isWhole = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
  if (isWhole && !Object.is(value, -0)) return value;
  throw invalid(`bundle: ${name} is not a whole number`);
}
