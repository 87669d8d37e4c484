// An issuer of X.509-SVIDs and a request that it signs.

import { readCertificate } from '../../../../src/spiffe/certificate/certificate.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';
import {
  X509SvidIssuer,
  type X509SvidRequest,
} from '../../../../src/spiffe/x509-svid/x509-svid-issuer.ts';
import { HOUR, intermediate, root, trustDomain } from '../authority/issuing-authority.ts';
import { NOW, newKeys, pointOf } from '../certificate/forged-certificate.ts';

export const { publicKey } = newKeys();
export const organization = 'Signet';
export const issuer = new X509SvidIssuer({
  trustDomain,
  ...intermediate,
  above: [root.certificateDer],
  organization,
});
export const valid: X509SvidRequest = {
  publicKey: pointOf(publicKey),
  spiffeId: parseSpiffeId('spiffe://example.org/ns/a/sa/b'),
  notBefore: NOW - 60_000,
  notAfter: NOW + HOUR,
};

export const issue = (change: Partial<X509SvidRequest> = {}, by = issuer) => {
  const issued = by.issue({ ...valid, ...change });
  return { ...issued, read: readCertificate(issued.certificateDer) };
};
