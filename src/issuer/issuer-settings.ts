// What an operator chooses of an issuer.

import type { WorkloadKeyType } from '../spiffe/x509-svid/workload-public-key.ts';
import type { JwtKeyType } from './authority/authority-maker.ts';
import type { AuthoritySettings } from './authority/authority-plan.ts';
import type { Endpoint } from './authority/serving-leaf.ts';
import type { MintLimit } from './policy/mint-limits.ts';

export type IssuerSettings = {
  /**
   * Whether this process plays the authority role too, alone: makes roots, reads root keys. In a
   * cluster somebody else does.
   */
  readonly keepsAuthorities?: boolean;
  readonly authorities?: AuthoritySettings;
  readonly jwtKeyType?: JwtKeyType;
  /** Who has a certificate of the serving authority; see AuthorityKeeperOptions. */
  readonly endpoints?: readonly Endpoint[];
  /** `iss` of JWT-SVIDs. */
  readonly jwtIssuer?: string;
  /** O of the subjects of X.509-SVIDs. */
  readonly organization?: string;
  readonly jwtLimit?: MintLimit;
  readonly x509Limit?: MintLimit;
  /** Types of workloads' keys; default: all that there are. */
  readonly keyTypes?: ReadonlySet<WorkloadKeyType>;
};
