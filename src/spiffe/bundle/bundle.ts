// A trust domain's bundle: the X.509 authorities and JWT keys that its SVIDs are checked against,
// and no others. Bundles of two trust domains are never merged.

import type { KeyObject } from 'node:crypto';
import type { TrustDomain } from '../spiffe-id.ts';

export type Bundle = {
  readonly trustDomain: TrustDomain;
  /** Rises with every change of the content; undefined when the source gives none. */
  readonly sequence: number | undefined;
  /** How long a reader waits before it looks again. */
  readonly refreshHintSeconds: number | undefined;
  /** DER certificates. None means: no X.509-SVID of this trust domain is trusted. */
  readonly x509Authorities: readonly Uint8Array[];
  /** Public keys by key id. None means: no JWT-SVID of this trust domain is trusted. */
  readonly jwtAuthorities: ReadonlyMap<string, KeyObject>;
};
