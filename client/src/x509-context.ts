// An answer of FetchX509SVID as parsed values. A bad SVID spoils the whole answer (WA-11), so that
// nobody goes on with half of it; a bad bundle of another trust domain costs only that trust.

import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { CodedError, invalid } from '../../src/base/errors.ts';
import { checkIsAuthority } from '../../src/spiffe/authority/authority-certificate.ts';
import { readCertificate, splitCertificates } from '../../src/spiffe/certificate/certificate.ts';
import { parseSpiffeId, type SpiffeId, trustDomainOf } from '../../src/spiffe/spiffe-id.ts';
import { MAX_CHAIN_LENGTH, readX509Svid } from '../../src/spiffe/x509-svid/x509-svid.ts';
import type { X509SVID, X509SVIDResponse } from '../../src/transport/gen/spiffe/workload_pb.ts';
import { parseRevokedCertificates, type RevokedCertificates } from './revoked-certificates.ts';
import { parseX509Bundle, parseX509Bundles, type X509Bundles } from './x509-bundles.ts';

export type X509Svid = {
  readonly spiffeId: SpiffeId;
  /** Which of several this is, as the operator calls it; '' when there is nothing to tell. */
  readonly hint: string;
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[];
  readonly privateKey: KeyObject;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
};

export type X509Context = {
  /** At least one; the first is the default identity. */
  readonly svids: readonly [X509Svid, ...X509Svid[]];
  readonly bundles: X509Bundles;
  readonly revoked: RevokedCertificates;
};

export type Report = (problem: CodedError) => void;

/** One that never throws: what is reported has to happen, whatever becomes of the report of it. */
export function unfailing(report: Report | undefined): Report {
  return (problem) => {
    try {
      report?.(problem);
    } catch (thrown) {
      process.emitWarning(`a report of @signet/client failed: ${CodedError.from(thrown).message}`);
    }
  };
}

const MAX_SVIDS = 100;

/** Throws `invalid-argument` naming the SVID and the rule; bundles and lists left out go to `report`. */
export function parseX509Context(answer: X509SVIDResponse, report: Report): X509Context {
  if (answer.svids.length > MAX_SVIDS) {
    throw invalid(`svids: ${answer.svids.length} exceed ${MAX_SVIDS}`);
  }
  const hints = new Set<string>();
  const [first, ...more] = answer.svids.map((svid, index) => {
    try {
      return withUniqueHint(parseX509Svid(svid), hints);
    } catch (thrown) {
      throw invalid(`svids[${index}]: ${CodedError.from(thrown).message}`, thrown);
    }
  });
  if (first === undefined) throw invalid('svids: none');
  const bundles = new Map(parseX509Bundles(answer.federatedBundles, report));
  // What the answer says of an SVID's own trust domain counts more than the federated list.
  for (const { spiffeId, bundle } of answer.svids.toReversed()) {
    const trustDomain = trustDomainOf(parseSpiffeId(spiffeId));
    bundles.set(trustDomain, parseX509Bundle(bundle));
  }
  const revoked = parseRevokedCertificates(answer.crl, report);
  return { svids: [first, ...more], bundles, revoked };
}

function parseX509Svid(message: X509SVID): X509Svid {
  const spiffeId = parseSpiffeId(message.spiffeId);
  if (message.bundle.length === 0) throw invalid('bundle: empty');
  // A copy of exact size: the message it came in shall not live as long as the SVID.
  const chain = splitCertificates(new Uint8Array(message.x509Svid));
  const [leaf, ...above] = chain;
  if (leaf === undefined) throw invalid('x509_svid: empty');
  if (chain.length > MAX_CHAIN_LENGTH) {
    throw invalid(`x509_svid: ${chain.length} certificates exceed ${MAX_CHAIN_LENGTH}`);
  }
  const svid = readX509Svid(leaf);
  if (svid.spiffeId !== spiffeId) throw invalid('x509_svid: certificate is for another SPIFFE ID');
  for (const der of above) checkIsAuthority(readCertificate(der));
  const privateKey = readPrivateKey(message.x509SvidKey);
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  if (!spki.equals(svid.certificate.subjectPublicKeyInfo)) {
    throw invalid('x509_svid_key: not the key of the certificate');
  }
  const { notAfter } = svid.certificate;
  return { spiffeId, hint: message.hint, chain, privateKey, notAfter };
}

// WA-14: PKCS#8, unencrypted. The cause is not kept: it is about a secret. The octets are wiped, so
// that the key object is the only copy.
function readPrivateKey(pkcs8: Uint8Array): KeyObject {
  const key = Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length);
  try {
    return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  } catch {
    throw invalid('x509_svid_key: not a PKCS#8 key');
  } finally {
    key.fill(0);
  }
}

// WA-19: the first keeps it.
function withUniqueHint(svid: X509Svid, seen: Set<string>): X509Svid {
  if (svid.hint !== '' && seen.has(svid.hint)) return { ...svid, hint: '' };
  seen.add(svid.hint);
  return svid;
}
