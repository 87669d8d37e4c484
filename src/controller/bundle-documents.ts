// The bundle of the trust domain as others read it from the cluster: the SPIFFE document, and the
// roots as PEM for what knows nothing of SPIFFE.

import type { AuthorityState } from '../authorities/authority-state.ts';
import { bundleOf } from '../authorities/public-bundle.ts';
import { formatSpiffeBundle } from '../spiffe/bundle/bundle-format.ts';
import { formatPemCertificate } from '../spiffe/pem.ts';

export type BundleDocuments = { readonly json: string; readonly pem: string };

/** Undefined while there is nothing to trust: nobody is to read that as "trust nobody". */
export function bundleDocuments(state: AuthorityState | undefined): BundleDocuments | undefined {
  if (state === undefined) return undefined;
  const bundle = bundleOf(state);
  if (bundle.x509Authorities.length === 0) return undefined;
  return {
    json: Buffer.from(formatSpiffeBundle(bundle)).toString('utf8'),
    pem: bundle.x509Authorities.map(formatPemCertificate).join(''),
  };
}
