// A bundle from the issuer, read before any workload sees it: one authority that a client cannot
// read makes it throw away its whole answer, all SVIDs included.

import { CodedError } from '../base/errors.ts';
import { checkIsAuthority } from '../spiffe/authority/authority-certificate.ts';
import { parseSpiffeBundle } from '../spiffe/bundle/bundle-parse.ts';
import { readCertificate } from '../spiffe/certificate/certificate.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import type { Bundle } from '../transport/gen/signet/issuer_pb.ts';
import type { WorkloadBundle } from './svid/pod-answer.ts';

/** Throws `internal` when any part of it is not what a workload may be given. */
export function readIssuerBundle(bundle: Bundle): WorkloadBundle {
  try {
    return readBundle(bundle);
  } catch (thrown) {
    const { message } = CodedError.from(thrown);
    const name = JSON.stringify(bundle.trustDomain.slice(0, 64));
    throw new CodedError('internal', `bundle of ${name}: ${message}`, { cause: thrown });
  }
}

function readBundle(bundle: Bundle): WorkloadBundle {
  const trustDomain = parseTrustDomain(bundle.trustDomain);
  const roots = bundle.x509Authorities.map((der) => readCertificate(der));
  for (const root of roots) checkIsAuthority(root);
  checkJwks(bundle.jwtAuthorities, trustDomain);
  return {
    trustDomain,
    sequence: bundle.sequence,
    x509: new Uint8Array(Buffer.concat(bundle.x509Authorities)),
    jwks: new Uint8Array(bundle.jwtAuthorities),
    crls: [],
    rootNames: new Set(roots.map(({ subject }) => Buffer.from(subject).toString('hex'))),
  };
}

// Workload API §6.2.2: `jwt-svid` keys and nothing else.
function checkJwks(jwks: Uint8Array, trustDomain: TrustDomain): void {
  if (jwks.length === 0) return;
  const { bundle, ignored } = parseSpiffeBundle(jwks, trustDomain);
  const [first] = ignored;
  if (first !== undefined) throw new Error(`JWT authorities: ${first}`);
  if (bundle.x509Authorities.length > 0) throw new Error('JWT authorities: an X.509 authority');
}
